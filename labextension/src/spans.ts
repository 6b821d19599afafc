/**
 * Which tasks ran when and where: the last ones, in a ring.
 *
 * No DOM, no timer, no request.
 */
import { Signal, type ISignal } from '@lumino/signaling';

import type { ISpansNow } from './contract';

/** So many spans are kept; the oldest leave first. */
export const SPANS_KEPT = 20_000;

/** Tasks of one engine, one after the other; mostly one. Times are the server's. */
export interface ISpan {
  readonly engine: number;
  readonly title: string;
  readonly began: number;
  readonly ended: number;
  readonly failed: boolean;
  readonly count: number;
}

/** What a title stands for in the legend. */
export interface ITitle {
  readonly title: string;
  /** Chooses its colour; titles that come later have higher ones. */
  readonly number: number;
  readonly count: number;
  readonly failed: number;
}

export class SpanStore {
  /**
   * @param _most - So many spans are kept.
   */
  constructor(private readonly _most = SPANS_KEPT) {}

  /** Emitted when there is more to see, or nothing any more. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** How many tasks were not told of. */
  get leftOut(): number {
    return this._leftOut;
  }

  get size(): number {
    return this._spans.length;
  }

  /** When the first of those that are kept began, null if there is none. */
  get begin(): number | null {
    return this._spans.reduce<number | null>(
      (first, span) => (first === null || span.began < first ? span.began : first),
      null
    );
  }

  /** All titles that are kept, those with the most tasks first. */
  get titles(): readonly ITitle[] {
    const counts = new Map<string, { count: number; failed: number }>();
    for (const span of this._spans) {
      const known = counts.get(span.title) ?? { count: 0, failed: 0 };
      known.count += span.count;
      known.failed += span.failed ? span.count : 0;
      counts.set(span.title, known);
    }
    return [...counts]
      .map(([title, of]) => ({ title, number: this.numberOf(title), ...of }))
      .sort((one, other) => other.count - one.count);
  }

  /** Choose a colour: a number from 0, the same for a title as long as this store lives. */
  numberOf(title: string): number {
    const known = this._numbers.get(title);
    if (known !== undefined) {
      return known;
    }
    const number = this._numbers.size;
    this._numbers.set(title, number);
    this._named.push(title);
    return number;
  }

  /** What a number of {@link numberOf} stands for. */
  titleOf(number: number): string {
    return this._named[number] ?? '';
  }

  /** Call something with each span that is kept, the oldest ring position first. */
  forEach(see: (span: ISpan) => void): void {
    const { length } = this._spans;
    for (let place = 0; place < length; place += 1) {
      const span = this._spans[(this._next + place) % length];
      if (span !== undefined) {
        see(span);
      }
    }
  }

  /** The spans of one engine, in the order in which they began. */
  of(engine: number): ISpan[] {
    return this._spans
      .filter(span => span.engine === engine)
      .sort((one, other) => one.began - other.began);
  }

  /** Take what the server tells. */
  take(news: ISpansNow): void {
    if (news.whole) {
      this._empty();
    }
    news.engine.forEach((engine, place) => {
      const began = news.began[place] ?? 0;
      this._add({
        engine,
        title: news.titles[news.title[place] ?? 0] ?? '',
        began,
        ended: began + (news.lasted[place] ?? 0),
        failed: news.failed[place] ?? false,
        count: news.count[place] ?? 1
      });
    });
    this._leftOut = news.leftOut;
    this._changed.emit();
  }

  /** Forget everything: another cluster is shown. */
  clear(): void {
    this._empty();
    this._numbers.clear();
    this._named.length = 0;
    this._changed.emit();
  }

  private _empty(): void {
    this._spans.length = 0;
    this._next = 0;
    this._leftOut = 0;
  }

  private _add(span: ISpan): void {
    this.numberOf(span.title);
    if (this._spans.length < this._most) {
      this._spans.push(span);
    } else {
      this._spans[this._next] = span;
      this._next = (this._next + 1) % this._most;
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _spans: ISpan[] = [];
  /** The place of the oldest, once the ring is full. */
  private _next = 0;
  private readonly _numbers = new Map<string, number>();
  private readonly _named: string[] = [];
  private _leftOut = 0;
}
