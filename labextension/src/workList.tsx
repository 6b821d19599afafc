/**
 * The work of a cluster: how far each map, and each set of calls, is.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IWork } from './contract';
import { farOf, span, titleOf, type IFar } from './figures';

/** So many are shown; older ones are counted. */
export const WORK_SHOWN = 50;

export function WorkList(props: {
  work: readonly IWork[];
  /** What time it is on the server. */
  now: number;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { work, now, trans } = props;
  const more = work.length - WORK_SHOWN;
  return (
    <>
      <ul className="jp-Ipcluster-works" aria-label={trans.__('Tasks')}>
        {work.slice(0, WORK_SHOWN).map(each => (
          <WorkItem key={each.number} work={each} now={now} trans={trans} />
        ))}
      </ul>
      {more > 0 && <p className="jp-Ipcluster-meta">{trans._n('%1 more', '%1 more', more)}</p>}
    </>
  );
}

function WorkItem(props: {
  work: IWork;
  now: number;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { work, now, trans } = props;
  const far = farOf(work, now);
  const title = titleOf(work);
  return (
    <li className={`jp-Ipcluster-work${work.ended > 0 ? ' jp-mod-ended' : ''}`}>
      <div className="jp-Ipcluster-workHead">
        <span className="jp-Ipcluster-name" title={title}>
          {title}
        </span>
        <span className="jp-Ipcluster-count">{`${String(far.ended)} / ${String(far.total)}`}</span>
      </div>
      <Bar work={work} far={far} title={title} />
      <div className="jp-Ipcluster-meta">
        {work.failed > 0 && (
          <span className="jp-Ipcluster-failed">{trans.__('%1 failed', work.failed)}</span>
        )}
        <span className="jp-Ipcluster-pace">{paceLine(work, far, trans)}</span>
        <span className="jp-Ipcluster-session" title={work.session}>
          {work.session}
        </span>
      </div>
      {work.error !== '' && (
        <details className="jp-Ipcluster-workError">
          <summary>{firstLine(work.error)}</summary>
          <pre tabIndex={0}>{work.error}</pre>
        </details>
      )}
    </li>
  );
}

function Bar({ work, far, title }: { work: IWork; far: IFar; title: string }): React.JSX.Element {
  const part = (count: number): { width: string } => ({
    width: `${String(far.total > 0 ? (100 * count) / far.total : 0)}%`
  });
  return (
    <div
      className="jp-Ipcluster-bar"
      role="progressbar"
      aria-label={title}
      aria-valuemin={0}
      aria-valuemax={far.total}
      aria-valuenow={far.ended}
    >
      <span className="jp-mod-done" style={part(work.done)} />
      <span className="jp-mod-failed" style={part(work.failed)} />
      <span className="jp-mod-cancelled" style={part(work.cancelled)} />
      <span className="jp-mod-running" style={part(work.running)} />
    </div>
  );
}

/** How fast it goes and how long it will take, or how long it took. */
function paceLine(work: IWork, far: IFar, trans: TranslationBundle): string {
  if (work.ended > 0) {
    const seconds = work.ended - work.began;
    const lasted = seconds < 1 ? trans.__('less than a second') : span(seconds);
    return work.cancelled > 0
      ? trans.__('%1 cancelled, ended after %2', work.cancelled, lasted)
      : trans.__('in %1', lasted);
  }
  const parts = [];
  if (work.running > 0) {
    parts.push(trans.__('%1 running', work.running));
  }
  if (far.rate > 0) {
    parts.push(trans.__('%1 a second', far.rate.toFixed(far.rate < 10 ? 1 : 0)));
  }
  if (far.left !== null) {
    parts.push(trans.__('%1 left', span(far.left)));
  }
  return parts.join(' · ');
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
