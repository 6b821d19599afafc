import { describe, expect, it } from 'vitest';

import { curveOf } from '../src/chart';
import {
  ceiling,
  ceilingOfBytes,
  Recorder,
  SAMPLES_KEPT,
  Series,
  windowOf,
  type ISample
} from '../src/series';

function sample(at: number, more: Partial<ISample> = {}): ISample {
  return {
    at,
    ended: 0,
    failed: 0,
    queued: 0,
    running: 0,
    busy: 0,
    ready: 0,
    cpu: null,
    nbytes: null,
    ...more
  };
}

function series(...samples: readonly ISample[]): Series {
  const made = new Series();
  samples.forEach(each => {
    made.take(each);
  });
  return made;
}

describe('a series', () => {
  it('has one sample a second, the last one', () => {
    const made = series(sample(1, { queued: 1 }), sample(1.9, { queued: 2 }), sample(2.1));

    expect(made.samples.map(each => each.queued)).toEqual([2, 0]);
  });

  it('keeps so many, and no more', () => {
    const made = new Series();
    for (let at = 0; at < SAMPLES_KEPT + 50; at += 1) {
      made.take(sample(at));
    }

    expect(made.samples).toHaveLength(SAMPLES_KEPT);
    expect(made.samples[0]?.at).toBe(50);
  });

  it('tells how fast a count grows', () => {
    const made = series(sample(1), sample(2, { ended: 10 }), sample(4, { ended: 20 }));

    expect(made.rates(each => each.ended, 4)).toEqual([
      [2, 10],
      [4, 5]
    ]);
  });

  it('tells that nothing has ended while nothing was heard', () => {
    const made = series(sample(1), sample(2, { ended: 10 }));

    expect(made.rates(each => each.ended, 60)).toEqual([
      [2, 10],
      [3, 0],
      [60, 0]
    ]);
  });

  it('does not smear what came after a pause over the pause', () => {
    const made = series(sample(1), sample(60, { ended: 10 }));

    expect(made.rates(each => each.ended, 60)).toEqual([
      [59, 0],
      [60, 10]
    ]);
  });

  it('is never negative: a hub that takes over counts anew', () => {
    const made = series(sample(1, { ended: 100 }), sample(2, { ended: 3 }));

    expect(made.rates(each => each.ended, 2)).toEqual([[2, 0]]);
  });

  it('has gaps where nobody measured', () => {
    const made = series(sample(1, { cpu: 1 }), sample(2), sample(3, { cpu: 2 }));

    const time = { now: 3, seconds: 60 };
    const points = made.points(each => each.cpu, 3);

    expect(curveOf(points, 2, time)).toBe('M580 62M600 4');
  });
});

it('as much is shown as there is, in round steps', () => {
  const made = series(sample(100), sample(150));

  expect([110, 200, 300, 900].map(now => windowOf(made, now))).toEqual([60, 120, 300, 600]);
});

it('a recorder forgets clusters that are gone', () => {
  const recorder = new Recorder();
  const cluster = { id: 'a', ended: 1, failed: 0, queued: 0, running: 0, busy: 0, ready: 0 };
  recorder.note([cluster as never], 'a', [], 1);
  const before = recorder.of('a').samples.length;
  recorder.note([], null, [], 2);

  expect([before, recorder.of('a').samples.length]).toEqual([1, 0]);
});

it('the top of a chart is a round number', () => {
  expect([0, 0.3, 1, 7, 1001, 20].map(ceiling)).toEqual([1, 0.5, 1, 10, 2000, 20]);
  expect([0, 5, 1024].map(ceilingOfBytes)).toEqual([1, 8, 1024]);
});
