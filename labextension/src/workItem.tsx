/**
 * One work: how far it is, whose it is, what can be done to it, and its first error.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { IconButton, TextButton } from './button';
import type { ITended, IWork } from './contract';
import { farOf, span, titleOf, type IFar } from './figures';
import type { IconName } from './icons';
import type { WorkActions } from './workActions';
import type { IWorkListProps } from './workList';
import { keyOf } from './works';

interface IProps extends IWorkListProps {
  item: IWork;
}

export function WorkItem(props: IProps): React.JSX.Element {
  const { item, view, now, works, trans } = props;
  const far = farOf(item, now);
  const title = titleOf(item);
  const retried = view.retried[keyOf(item)];
  return (
    <li className={`jp-Ipcluster-work${item.ended > 0 ? ' jp-mod-ended' : ''}`}>
      <div className="jp-Ipcluster-workHead">
        <span className="jp-Ipcluster-name" title={title}>
          {title}
        </span>
        <span className="jp-Ipcluster-count">
          {`${far.ended.toLocaleString()} / ${far.total.toLocaleString()}`}
        </span>
        <Tools {...props} title={title} />
      </div>
      <Bar work={item} far={far} title={title} />
      <div className="jp-Ipcluster-meta">
        {item.failed > 0 && (
          <span className="jp-Ipcluster-failed">
            {trans.__('%1 failed', item.failed.toLocaleString())}
          </span>
        )}
        <span className="jp-Ipcluster-pace">{paceLine(item, far, trans)}</span>
        <span className="jp-Ipcluster-session" title={trans.__('Submitted by %1', item.session)}>
          {item.session}
        </span>
      </div>
      {view.workQuestion?.key === keyOf(item) && <WorkQuestion {...props} title={title} />}
      {item.error !== '' && (
        <FirstError
          error={item.error}
          text={view.openError?.key === keyOf(item) ? view.openError.text : null}
          work={item}
          works={works}
          trans={trans}
        />
      )}
      {retried !== undefined && <Retried retried={retried} works={works} trans={trans} />}
    </li>
  );
}

/** What can be done to it at the moment. */
function Tools(props: IProps & { title: string }): React.JSX.Element {
  const { item, title, view, works, trans } = props;
  const button = (icon: IconName, label: string, onClick: () => unknown): React.JSX.Element => (
    <IconButton icon={icon} label={label} onClick={onClick} />
  );
  return (
    <span className="jp-Ipcluster-workTools" role="toolbar" aria-label={title}>
      {item.failed > item.retried &&
        view.retried[keyOf(item)] === undefined &&
        button(
          'restart',
          trans.__(
            'Retry Failed: run them again, with the same arguments. Their results are kept for whoever fetches them; in the notebook, result.retry_failed() has them and runs nothing twice.'
          ),
          () => works.ask(item, 'retry')
        )}
      {item.ended === 0 &&
        button(
          'interrupt',
          trans.__('Interrupt: stop the tasks that run, and cancel all others'),
          () => works.ask(item, 'interrupt')
        )}
      {item.ended === 0 &&
        button('stop', trans.__('Cancel: tasks that have not begun will not run'), () =>
          works.ask(item, 'cancel')
        )}
    </span>
  );
}

function WorkQuestion(props: IProps & { title: string }): React.JSX.Element {
  const { item, title, view, works, trans } = props;
  const what = view.workQuestion?.what ?? 'cancel';
  const interrupts = what === 'interrupt';
  const text = interrupts
    ? trans.__('Interrupt %1? What it has begun is lost.', title)
    : trans.__('Cancel %1? Tasks that have begun go on, all others will not run.', title);
  return (
    <div
      className="jp-Ipcluster-question"
      role="alertdialog"
      aria-label={text}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          works.keep();
        }
      }}
    >
      <span>{text}</span>
      <span className="jp-Ipcluster-buttons">
        <TextButton
          mod="warn"
          autoFocus
          label={interrupts ? trans.__('Interrupt') : trans.__('Cancel Tasks')}
          onClick={() => works.tend(item, what)}
        />
        <TextButton label={trans.__('Let It Run')} onClick={works.keep} />
      </span>
    </div>
  );
}

/** The first error: a line that opens, and all of it to read and to copy. */
function FirstError(props: {
  error: string;
  /** All of it, null while it is hidden. */
  text: string | null;
  work: IWork;
  works: WorkActions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { error, text, work, works, trans } = props;
  const isOpen = text !== null;
  return (
    <div className="jp-Ipcluster-workError">
      <button
        type="button"
        className="jp-Ipcluster-disclosure"
        aria-expanded={isOpen}
        title={isOpen ? trans.__('Hide the first error') : trans.__('Show the first error')}
        onClick={() => {
          void works.toggleError(work);
        }}
      >
        {firstLine(error)}
      </button>
      {isOpen && (
        <div className="jp-Ipcluster-errorText">
          <pre tabIndex={0} aria-label={trans.__('First error')}>
            {text}
          </pre>
          <IconButton
            icon="copy"
            label={trans.__('Copy Error')}
            onClick={() => {
              works.copy(text);
            }}
          />
        </div>
      )}
    </div>
  );
}

/** What came of running again what failed. */
function Retried(props: {
  retried: ITended;
  works: WorkActions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { retried, works, trans } = props;
  return (
    <div className="jp-Ipcluster-retried" role="status">
      <span>
        {trans._n('%1 task runs again.', '%1 tasks run again.', retried.count)}
        {retried.reason === '' ? '' : ` ${retried.reason}`}
      </span>
      <TextButton
        icon="code"
        label={trans.__('Insert Code')}
        title={trans.__('Insert code into the notebook that fetches the results')}
        onClick={() => {
          works.insertFetch(retried.client);
        }}
      />
    </div>
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
      ? trans.__('%1 cancelled, ended after %2', work.cancelled.toLocaleString(), lasted)
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
