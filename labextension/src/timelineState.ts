/**
 * What a user looks at in a timeline: which stretch of time, which lane, which span. Pure.
 */
import { Signal, type ISignal } from '@lumino/signaling';

import type { IEngine } from './contract';
import { neighbour } from './lanes';
import type { ISpan, SpanStore } from './spans';
import { following, later, panned, showing, zoomed, type IViewport } from './viewport';

/** One step of a key or button. */
const STEP = 0.2;
const FACTOR = 1.5;

/** What a key or a button does. */
export type Move =
  'left' | 'right' | 'in' | 'out' | 'all' | 'follow' | 'up' | 'down' | 'before' | 'after' | 'leave';

export const KEYS: ReadonlyMap<string, Move> = new Map<string, Move>([
  ['ArrowLeft', 'left'],
  ['ArrowRight', 'right'],
  ['ArrowUp', 'up'],
  ['ArrowDown', 'down'],
  ['+', 'in'],
  ['=', 'in'],
  ['-', 'out'],
  ['Home', 'all'],
  ['End', 'follow'],
  [',', 'before'],
  ['.', 'after'],
  ['Escape', 'leave']
]);

export class TimelineState {
  /**
   * @param now - What time it is on the server.
   */
  constructor(now: number) {
    this._viewport = following(now);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get viewport(): IViewport {
    return this._viewport;
  }

  set viewport(viewport: IViewport) {
    this._viewport = viewport;
    this._changed.emit();
  }

  /** The lane that keys work on, -1 if none was chosen. */
  get lane(): number {
    return this._lane;
  }

  /** The span whose details are shown. */
  get span(): ISpan | null {
    return this._span;
  }

  /** Show the details of a span, or none. */
  point(span: ISpan | null): void {
    if (span !== this._span) {
      this._span = span;
      this._changed.emit();
    }
  }

  /** Let time pass; nobody is told, as whoever draws asks for it. */
  pass(now: number): void {
    this._viewport = later(this._viewport, now);
  }

  /** Do what a key or button does. */
  move(how: Move, engines: readonly IEngine[], spans: SpanStore, now: number): void {
    switch (how) {
      case 'left':
        this._viewport = panned(this._viewport, -STEP);
        break;
      case 'right':
        this._viewport = panned(this._viewport, STEP);
        break;
      case 'in':
        this._viewport = zoomed(this._viewport, 1 / FACTOR);
        break;
      case 'out':
        this._viewport = zoomed(this._viewport, FACTOR);
        break;
      case 'all':
        this._viewport = showing(spans.begin ?? now, now);
        break;
      case 'follow':
        this._viewport = following(now, this._viewport.end - this._viewport.begin);
        break;
      case 'up':
        this._lane = Math.max(0, this._lane - 1);
        break;
      case 'down':
        this._lane = Math.min(engines.length - 1, this._lane + 1);
        break;
      case 'before':
      case 'after':
        this._step(how === 'before' ? -1 : 1, engines, spans);
        break;
      case 'leave':
        this._span = null;
        this._lane = -1;
        break;
    }
    this._changed.emit();
  }

  /** Go to the span before, or after, on the chosen lane, and have it in sight. */
  private _step(by: -1 | 1, engines: readonly IEngine[], spans: SpanStore): void {
    this._lane = Math.max(0, this._lane);
    const engine = engines[this._lane];
    const span = engine === undefined ? null : neighbour(spans, engine.id, this._span, by);
    this._span = span;
    const { begin, end } = this._viewport;
    if (span !== null && (span.ended < begin || span.began > end)) {
      const middle = (span.began + span.ended) / 2;
      const half = (end - begin) / 2;
      this._viewport = { begin: middle - half, end: middle + half, follows: false };
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _viewport: IViewport;
  private _lane = -1;
  private _span: ISpan | null = null;
}
