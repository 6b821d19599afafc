/**
 * What is asked before engines lose what they hold: in place, not in front of everything.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { TextButton } from './button';
import type { IQuestion } from './view';

export function Question(props: {
  question: IQuestion;
  text: string;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { question, actions, trans } = props;
  return (
    <div
      className="jp-Ipcluster-question"
      role="alertdialog"
      aria-label={props.text}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          actions.keep();
        }
      }}
    >
      <span>{props.text}</span>
      <span className="jp-Ipcluster-buttons">
        <TextButton
          mod="warn"
          autoFocus
          label={question.what === 'stop' ? trans.__('Stop') : trans.__('Restart')}
          onClick={() => actions.confirm(question)}
        />
        <TextButton label={trans.__('Keep')} onClick={actions.keep} />
      </span>
    </div>
  );
}
