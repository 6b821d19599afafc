/**
 * Which rows of the table of engines are drawn, and in which order. Pure.
 */
import type { IEngine } from './contract';

export const COLUMNS = ['id', 'state', 'label', 'ended', 'cpu', 'nbytes'] as const;
export type Column = (typeof COLUMNS)[number];

export interface ISort {
  readonly by: Column;
  readonly down: boolean;
}

/** The height of a row in pixels; the style sheet has it, too. */
export const ROW_HEIGHT = 24;
/** So many rows are in sight at most. */
export const ROWS_IN_SIGHT = 10;
/** So many more are drawn above and below, for the time until a scroll is answered. */
const SPARE = 8;

/** How the next click on a column sorts: the other way round if it is sorted by that already. */
export function sortedNext(sort: ISort, by: Column): ISort {
  return { by, down: sort.by === by ? !sort.down : false };
}

/** The engines in order; those that are equal stand by their ids. Unknown figures are the least. */
export function sorted(engines: readonly IEngine[], sort: ISort): readonly IEngine[] {
  const sign = sort.down ? -1 : 1;
  return [...engines].sort(
    (one, other) => sign * compared(one[sort.by], other[sort.by]) || one.id - other.id
  );
}

function compared(one: string | number | null, other: string | number | null): number {
  if (typeof one === 'string' && typeof other === 'string') {
    return one < other ? -1 : one > other ? 1 : 0;
  }
  return Number(one ?? -1) - Number(other ?? -1);
}

/** The rows that are drawn: from `first` to before `end`. */
export function drawn(count: number, firstRow: number): { first: number; end: number } {
  const last = Math.max(0, count - ROWS_IN_SIGHT);
  const top = Math.min(Math.max(0, firstRow), last);
  return { first: Math.max(0, top - SPARE), end: Math.min(count, top + ROWS_IN_SIGHT + SPARE) };
}
