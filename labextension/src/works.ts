/**
 * The work of a cluster, as far as a page has seen it: what is over stays listed, though the hub
 * forgets it. Pure.
 */
import type { IWork } from './contract';

/** So much work that is over stays listed. */
export const OVER_KEPT = 200;

/** The number of work is its own as long as its hub lives; together with its begin, for ever. */
export function keyOf(work: IWork): string {
  return `${String(work.number)} ${String(work.began)}`;
}

export class Works {
  /** All work, the latest first. */
  get list(): readonly IWork[] {
    return this._list;
  }

  /** Fold in what the server tells. */
  fold(news: { whole: boolean; work: readonly IWork[]; past: readonly number[] }): void {
    const gone = new Set(news.past);
    for (const [key, work] of this._works) {
      if (work.ended === 0 && (news.whole || gone.has(work.number))) {
        this._works.delete(key);
      }
    }
    for (const work of news.work) {
      this._works.set(keyOf(work), work);
    }
    const all = [...this._works].sort(([, one], [, other]) => later(one, other));
    all
      .filter(([, work]) => work.ended > 0)
      .slice(OVER_KEPT)
      .forEach(([key]) => this._works.delete(key));
    this._list = all.map(([, work]) => work).filter(work => this._works.has(keyOf(work)));
  }

  /** Forget everything: another cluster is shown. */
  clear(): void {
    this._works.clear();
    this._list = [];
  }

  private readonly _works = new Map<string, IWork>();
  private _list: readonly IWork[] = [];
}

function later(one: IWork, other: IWork): number {
  return other.began - one.began || other.number - one.number;
}

/** All work together. */
export interface IWorkTotals {
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly running: number;
  readonly queued: number;
}

export function totalsOf(works: readonly IWork[]): IWorkTotals {
  const sum = (key: keyof IWorkTotals): number =>
    works.reduce((total, work) => total + work[key], 0);
  return {
    done: sum('done'),
    failed: sum('failed'),
    cancelled: sum('cancelled'),
    running: sum('running'),
    queued: sum('queued')
  };
}
