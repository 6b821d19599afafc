import { describe, expect, it } from 'vitest';

import { OVER_KEPT, totalsOf, Works } from '../src/works';
import { work } from './samples';

function numbers(works: Works): number[] {
  return works.list.map(each => each.number);
}

describe('works', () => {
  it('lists the latest first', () => {
    const works = new Works();
    works.fold({ whole: true, work: [work(1), work(3), work(2)], past: [] });

    expect(numbers(works)).toEqual([3, 2, 1]);
  });

  it('keeps what is over although the hub forgets it, and not what goes on', () => {
    const works = new Works();
    works.fold({ whole: true, work: [work(1, { ended: 5 }), work(2)], past: [] });
    works.fold({ whole: false, work: [], past: [1, 2] });

    expect(numbers(works)).toEqual([1]);
  });

  it('tells work of two hubs apart that has one number', () => {
    const works = new Works();
    works.fold({ whole: true, work: [work(1, { ended: 5 }), work(2)], past: [] });
    works.fold({ whole: true, work: [work(1, { began: 9 })], past: [] });

    expect(works.list.map(each => each.began)).toEqual([9, 1]);
  });

  it('keeps so much that is over, and no more', () => {
    const works = new Works();
    for (let number = 1; number <= OVER_KEPT + 5; number += 1) {
      works.fold({ whole: false, work: [work(number, { ended: number })], past: [] });
    }

    expect(works.list).toHaveLength(OVER_KEPT);
    expect(numbers(works).at(-1)).toBe(6);
  });

  it('are summed up', () => {
    expect(totalsOf([work(1, { queued: 4 }), work(2, { failed: 2 })])).toEqual({
      done: 2,
      failed: 2,
      cancelled: 0,
      running: 0,
      queued: 4
    });
  });
});
