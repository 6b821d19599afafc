/**
 * The task timeline: when and where tasks ran, a lane for each engine.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';

import { IconButton } from './button';
import type { ClusterModel } from './model';
import type { ITitle } from './spans';
import { TimelineCanvas } from './timelineCanvas';
import { HUES } from './timelinePaint';
import { TimelineState, type Move } from './timelineState';
import { viewLine } from './timelineText';
import { Visibility } from './visibility';

/** So many titles are in the legend; others are counted. */
const TITLES_SHOWN = 12;
/** The legend is drawn again so often at most, in milliseconds. */
const PACE = 500;

export class Timeline extends ReactWidget {
  /**
   * @param onSeen - Called with whether it is seen, when that has changed.
   */
  constructor(
    private readonly _model: ClusterModel,
    onSeen: (isSeen: boolean) => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Ipcluster-main');
    this.addClass('jp-Ipcluster-timeline');
    this._state = new TimelineState(this._now);
    this._visibility = new Visibility(isSeen => {
      onSeen(isSeen);
      if (this._canvas !== null) {
        this._canvas.isSeen = isSeen;
      }
      this._onChange();
    });
    this._model.spans.changed.connect(this._onChange);
    this._model.changed.connect(this._onChange);
    this._state.changed.connect(this._onChange);
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._visibility.end();
    clearTimeout(this._timer);
    this._model.spans.changed.disconnect(this._onChange);
    this._model.changed.disconnect(this._onChange);
    this._canvas?.dispose();
    super.dispose();
  }

  override processMessage(message: Message): void {
    super.processMessage(message);
    this._visibility.heed(message);
  }

  protected override onActivateRequest(): void {
    this._host?.focus();
  }

  protected override render(): React.JSX.Element {
    const trans = this._trans;
    const cluster = this._model.selected;
    const { spans, engines } = this._model;
    return (
      <>
        <header className="jp-Ipcluster-mainHead">
          <h2>{cluster === null ? trans.__('No cluster') : cluster.id}</h2>
          <span className="jp-Ipcluster-meta">{viewLine(this._state.viewport, trans)}</span>
          <Tools follows={this._state.viewport.follows} onMove={this._move} trans={trans} />
        </header>
        <Legend titles={this._titles()} trans={trans} />
        {spans.leftOut > 0 && (
          <p className="jp-Ipcluster-mainNote">
            {trans._n(
              '%1 task ended too soon after others to be shown by itself; it is left out.',
              '%1 tasks ended too soon after others to be shown by themselves; they are left out.',
              spans.leftOut
            )}
          </p>
        )}
        {spans.size === 0 && engines.every(engine => engine.state !== 'busy') && (
          <p className="jp-Ipcluster-mainNote">
            {trans.__('No task has ended in the last minutes; those that run from now on appear.')}
          </p>
        )}
        <div
          ref={this._mount}
          className="jp-Ipcluster-timelineBody"
          tabIndex={0}
          role="application"
          aria-roledescription={trans.__('timeline')}
          aria-label={trans.__(
            'Tasks of %1 engines. Arrow keys move, plus and minus zoom, comma and full stop go from task to task of an engine, Home shows everything, End follows what happens.',
            engines.length
          )}
        />
      </>
    );
  }

  /** What has run, and what runs for the first time. */
  private _titles(): readonly ITitle[] {
    const { spans, engines } = this._model;
    const known = spans.titles;
    const names = new Set(known.map(({ title }) => title));
    const running = engines
      .filter(engine => engine.state === 'busy' && engine.label !== '' && !names.has(engine.label))
      .map(engine => engine.label);
    const others = [...new Set(running)].map(title => ({
      title,
      number: spans.numberOf(title),
      count: 0,
      failed: 0
    }));
    return [...known, ...others];
  }

  private readonly _mount = (host: HTMLDivElement | null): void => {
    if (host === this._host) {
      return;
    }
    this._canvas?.dispose();
    this._host = host;
    this._canvas =
      host === null ? null : new TimelineCanvas(host, this._model, this._state, this._trans);
    if (this._canvas !== null) {
      this._canvas.isSeen = this._visibility.isSeen;
    }
  };

  private readonly _move = (how: Move): void => {
    this._state.move(how, this._model.engines, this._model.spans, this._now);
  };

  /** Draw what is not on the canvas, in a moment. */
  private readonly _onChange = (): void => {
    if (this._timer === undefined && this._visibility.isSeen) {
      this.update();
      this._timer = setTimeout(() => {
        this._timer = undefined;
        this.update();
      }, PACE);
    }
  };

  private get _now(): number {
    return this._model.serverTime(Date.now() / 1000);
  }

  private readonly _state: TimelineState;
  private readonly _visibility: Visibility;
  private _host: HTMLDivElement | null = null;
  private _canvas: TimelineCanvas | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined = undefined;
}

function Tools(props: {
  follows: boolean;
  onMove: (how: Move) => void;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { follows, onMove, trans } = props;
  const button = (
    icon: 'zoomIn' | 'zoomOut' | 'fit' | 'follow',
    label: string,
    how: Move,
    isPressed?: boolean
  ): React.JSX.Element => (
    <IconButton
      icon={icon}
      label={label}
      {...(isPressed === undefined ? {} : { isPressed })}
      onClick={() => {
        onMove(how);
      }}
    />
  );
  return (
    <span className="jp-Ipcluster-headTools" role="toolbar" aria-label={trans.__('Timeline')}>
      {button('zoomIn', trans.__('Zoom In (+)'), 'in')}
      {button('zoomOut', trans.__('Zoom Out (-)'), 'out')}
      {button('fit', trans.__('Show Everything (Home)'), 'all')}
      {button('follow', trans.__('Follow What Happens (End)'), 'follow', follows)}
    </span>
  );
}

/** What the colours mean. */
function Legend(props: {
  titles: readonly ITitle[];
  trans: TranslationBundle;
}): React.JSX.Element | null {
  const { titles, trans } = props;
  const more = titles.length - TITLES_SHOWN;
  if (titles.length === 0) {
    return null;
  }
  const failed = titles.reduce((sum, title) => sum + title.failed, 0);
  // Those with the most tasks, each where it was before: nothing jumps while tasks end.
  const shown = titles.slice(0, TITLES_SHOWN).sort((one, other) => one.number - other.number);
  return (
    <ul className="jp-Ipcluster-legend" aria-label={trans.__('Colours')}>
      {shown.map(({ title, number, count }) => (
        <li key={title} title={title}>
          <span
            className={`jp-Ipcluster-swatch jp-mod-hue${String(number % HUES)}`}
            aria-hidden="true"
          />
          <span className="jp-Ipcluster-legendText">{title}</span>
          <span className="jp-Ipcluster-meta">
            {count === 0 ? trans.__('running') : count.toLocaleString()}
          </span>
        </li>
      ))}
      {more > 0 && (
        <li className="jp-Ipcluster-meta">{trans._n('and %1 more', 'and %1 more', more)}</li>
      )}
      {failed > 0 && (
        <li>
          <span className="jp-Ipcluster-swatch jp-mod-failed" aria-hidden="true" />
          <span>{trans.__('failed')}</span>
          <span className="jp-Ipcluster-meta">{failed.toLocaleString()}</span>
        </li>
      )}
    </ul>
  );
}
