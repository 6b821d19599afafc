/**
 * The work of a cluster: a row for each map, and each set of calls; what is over stays listed.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IWork } from './contract';
import type { IView } from './view';
import type { WorkActions } from './workActions';
import { WorkItem } from './workItem';
import { keyOf, totalsOf } from './works';

/** So many are shown; older ones are counted. */
export const WORK_SHOWN = 50;

export interface IWorkListProps {
  work: readonly IWork[];
  view: IView;
  /** What time it is on the server. */
  now: number;
  works: WorkActions;
  trans: TranslationBundle;
}

export function WorkList(props: IWorkListProps): React.JSX.Element {
  const { work, trans } = props;
  const more = work.length - WORK_SHOWN;
  return (
    <>
      {work.length > 1 && <p className="jp-Ipcluster-totals">{totalsLine(work, trans)}</p>}
      <ul className="jp-Ipcluster-works" aria-label={trans.__('Tasks')}>
        {work.slice(0, WORK_SHOWN).map(each => (
          <WorkItem {...props} key={keyOf(each)} item={each} />
        ))}
      </ul>
      {more > 0 && <p className="jp-Ipcluster-hint">{trans._n('%1 more', '%1 more', more)}</p>}
    </>
  );
}

/** All together on one line: `1,203 done · 4 failed · 8 running · 990 queued`. */
function totalsLine(work: readonly IWork[], trans: TranslationBundle): string {
  const totals = totalsOf(work);
  const counted = (count: number): string => count.toLocaleString();
  const parts: [number, string][] = [
    [totals.done, trans.__('%1 done', counted(totals.done))],
    [totals.failed, trans.__('%1 failed', counted(totals.failed))],
    [totals.cancelled, trans.__('%1 cancelled', counted(totals.cancelled))],
    [totals.running, trans.__('%1 running', counted(totals.running))],
    [totals.queued, trans.__('%1 queued', counted(totals.queued))]
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([, text]) => text)
    .join(' · ');
}
