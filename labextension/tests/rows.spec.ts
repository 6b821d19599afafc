import { describe, expect, it } from 'vitest';

import { drawn, sorted, sortedNext } from '../src/rows';
import { engine } from './samples';

describe('engines', () => {
  it('are sorted by figures, those nobody knows being the least', () => {
    const engines = [engine(0, { cpu: 0.5 }), engine(1, {}), engine(2, { cpu: 0 })];

    expect(sorted(engines, { by: 'cpu', down: false }).map(each => each.id)).toEqual([1, 2, 0]);
    expect(sorted(engines, { by: 'cpu', down: true }).map(each => each.id)).toEqual([0, 2, 1]);
  });

  it('that are equal stand by their ids, whichever way they are sorted', () => {
    const engines = [engine(2, {}), engine(0, { state: 'busy' }), engine(1, {})];

    expect(sorted(engines, { by: 'state', down: true }).map(each => each.id)).toEqual([1, 2, 0]);
  });

  it('are sorted the other way round by a second click', () => {
    const once = sortedNext({ by: 'id', down: false }, 'nbytes');

    expect([once, sortedNext(once, 'nbytes')]).toEqual([
      { by: 'nbytes', down: false },
      { by: 'nbytes', down: true }
    ]);
  });
});

describe('the rows that are drawn', () => {
  it.each([
    [0, 0, { first: 0, end: 0 }],
    [5, 0, { first: 0, end: 5 }],
    [200, 0, { first: 0, end: 18 }],
    [200, 50, { first: 42, end: 68 }],
    [200, 199, { first: 182, end: 200 }]
  ])('of %d, scrolled to %d, are those in sight and some beside', (count, top, rows) => {
    expect(drawn(count, top)).toEqual(rows);
  });
});
