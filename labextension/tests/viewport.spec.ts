import { describe, expect, it } from 'vitest';

import { SpanStore } from '../src/spans';
import { TimelineState } from '../src/timelineState';
import {
  following,
  later,
  panned,
  SHORTEST,
  showing,
  ticks,
  tickText,
  zoomed
} from '../src/viewport';

const still = { begin: 100, end: 200, follows: false };

describe('what is looked at', () => {
  it('goes on with the time as long as it follows', () => {
    const view = following(1000, 100);
    const moved = later(view, 1010);

    expect([view.begin, view.end]).toEqual([903, 1003]);
    expect([moved.begin, moved.end, later(still, 1010)]).toEqual([913, 1013, still]);
  });

  it('is moved by a part of it, and follows no longer', () => {
    expect(panned({ ...still, follows: true }, 0.5)).toEqual({ ...still, begin: 150, end: 250 });
  });

  it('is stretched around a point', () => {
    expect(zoomed(still, 0.5, 0)).toMatchObject({ begin: 100, end: 150 });
    expect(zoomed(still, 2, 0.5)).toMatchObject({ begin: 50, end: 250 });
  });

  it('has its end where it was if it follows', () => {
    const view = zoomed(following(1000, 100), 0.5, 0);

    expect([view.end - view.begin, view.follows]).toEqual([50, true]);
    expect(view.begin).toBeCloseTo(951.5);
  });

  it('is never too short', () => {
    const { begin, end } = zoomed(still, 1e-9);

    expect(end - begin).toBeCloseTo(SHORTEST);
  });

  it('can be everything', () => {
    const { begin, end } = showing(1000, 1100);

    expect([begin < 1000, end > 1100]).toEqual([true, true]);
  });
});

describe('ticks', () => {
  it('are at round moments, as many as there is room for', () => {
    expect(ticks({ begin: 98, end: 131, follows: false }, 4)).toEqual({
      at: [100, 110, 120, 130],
      step: 10
    });
  });

  it('tell fractions of a second where they are close', () => {
    expect([tickText(12.25, 0.05), tickText(12.5, 0.5), tickText(12.003, 0.001)]).toEqual([
      '.25',
      '.5',
      '.003'
    ]);
  });
});

describe('keys', () => {
  const engines: [] = [];

  it('move, stretch, and follow again', () => {
    const state = new TimelineState(1000);
    const spans = new SpanStore();
    state.move('left', engines, spans, 1000);
    const left = state.viewport;
    state.move('in', engines, spans, 1000);
    const closer = state.viewport;
    state.move('follow', engines, spans, 2000);

    expect([left.follows, left.end < 1000]).toEqual([false, true]);
    expect(closer.end - closer.begin).toBeCloseTo(40);
    expect([state.viewport.follows, state.viewport.end > 2000]).toEqual([true, true]);
  });
});
