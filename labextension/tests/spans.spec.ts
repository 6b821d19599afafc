import { describe, expect, it } from 'vitest';

import type { ISpansNow } from '../src/contract';
import { barsOf, neighbour, spanAt } from '../src/lanes';
import { SpanStore } from '../src/spans';
import { engine } from './samples';

/** Spans of one title: engine, begin, length. */
function news(...rows: readonly (readonly [number, number, number])[]): ISpansNow {
  return {
    type: 'spans',
    cluster: 'demo',
    whole: false,
    titles: ['fit'],
    engine: rows.map(([engine]) => engine),
    title: rows.map(() => 0),
    began: rows.map(([, began]) => began),
    lasted: rows.map(([, , lasted]) => lasted),
    failed: rows.map(() => false),
    count: rows.map(() => 1),
    leftOut: 0
  };
}

function store(message: ISpansNow, most = 100): SpanStore {
  const spans = new SpanStore(most);
  spans.take(message);
  return spans;
}

describe('a store of spans', () => {
  it('keeps the last ones, the oldest leave first', () => {
    const spans = store(news([0, 1, 1], [0, 2, 1], [0, 3, 1]), 2);
    const begins: number[] = [];
    spans.forEach(span => begins.push(span.began));

    expect(begins).toEqual([2, 3]);
    expect([spans.size, spans.begin]).toEqual([2, 2]);
  });

  it('begins anew where everything is told again', () => {
    const spans = store(news([0, 1, 1]));
    spans.take({ ...news([0, 5, 1]), whole: true, leftOut: 7 });

    expect([spans.size, spans.begin, spans.leftOut]).toEqual([1, 5, 7]);
  });

  it('counts the tasks of each title, and keeps its colour', () => {
    const spans = store(news([0, 1, 1]));
    spans.take({ ...news([0, 2, 1]), titles: ['plot'], count: [10], failed: [true] });

    expect(spans.titles).toEqual([
      { title: 'plot', number: 1, count: 10, failed: 10 },
      { title: 'fit', number: 0, count: 1, failed: 0 }
    ]);
  });
});

describe('bars', () => {
  const scene = {
    viewport: { begin: 0, end: 100, follows: false },
    width: 100,
    lanes: [0, 2] as const,
    now: 90
  };

  it('are where and when tasks ran, of those that are in sight', () => {
    const spans = store(news([3, 10, 20], [1, 50, 10], [1, 500, 10], [2, 10, 10]));
    const bars = barsOf({ ...scene, engines: [engine(1), engine(3), engine(2)], spans });

    expect(bars.map(({ lane, left, width }) => [lane, left, width])).toEqual([
      [1, 10, 20],
      [0, 50, 10]
    ]);
  });

  it('are one where they would hide each other, unless one failed', () => {
    const many = Array.from({ length: 1000 }, (_, at) => [1, at / 10, 0.05] as const);
    const spans = store(news(...many), 2000);
    spans.take({ ...news([1, 50.01, 0.01]), failed: [true] });
    const bars = barsOf({ ...scene, engines: [engine(1)], spans });

    expect(bars.length).toBeLessThan(130);
    expect(bars.filter(bar => bar.failed)).toHaveLength(1);
  });

  it('grow with what runs', () => {
    const busy = engine(1, { state: 'busy', label: 'fit', since: 80 });
    const [bar] = barsOf({ ...scene, engines: [busy], spans: new SpanStore() });

    expect(bar).toMatchObject({ left: 80, width: 10, running: true });
  });
});

describe('the span at a moment', () => {
  const spans = store(news([1, 10, 10], [1, 30, 10], [2, 10, 50]));

  it('is the one that ran then on that engine, or one that is near', () => {
    const at = (moment: number): number | undefined =>
      spanAt(spans, engine(1), moment, 2, 100)?.began;

    expect([at(15), at(29), at(25)]).toEqual([10, 30, undefined]);
  });

  it('has neighbours on its engine', () => {
    const last = neighbour(spans, 1, null, 1);
    const before = neighbour(spans, 1, last, -1);
    const first = neighbour(spans, 1, before, -1);

    expect([last?.began, before?.began, first?.began]).toEqual([30, 10, 10]);
  });
});
