/**
 * The last lines of a log, in place.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { IconButton } from './button';
import type { ILogShown } from './view';

export function LogBox(props: {
  log: ILogShown;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { log, actions, trans } = props;
  const title =
    log.engine === null
      ? trans.__('Log of %1', log.cluster)
      : trans.__('Log of engine %1', log.engine);
  return (
    <section className="jp-Ipcluster-log" aria-label={title}>
      <header>
        <span>{title}</span>
        <IconButton
          icon="restart"
          label={trans.__('Read Again')}
          onClick={() => actions.showLog(log.cluster, log.engine)}
        />
        <IconButton icon="close" label={trans.__('Close Log')} onClick={actions.closeLog} />
      </header>
      <pre tabIndex={0}>{log.text === '' ? trans.__('Nothing was written.') : log.text}</pre>
    </section>
  );
}
