import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import type { ISpan } from '../src/spans';
import { lasting, spanLines } from '../src/timelineText';

const trans = nullTranslator.load('');
const SPAN: ISpan = {
  engine: 3,
  title: 'fit',
  began: 1_000_000.25,
  ended: 1_000_001.5,
  failed: false,
  count: 1
};

it('how long something takes is told in the unit that fits', () => {
  expect([0.00042, 0.0418, 1.5, 12.34, 75].map(lasting)).toEqual([
    '0.4 ms',
    '42 ms',
    '1.50 s',
    '12.3 s',
    '1 min 15 s'
  ]);
});

describe('a span', () => {
  it('tells what ran, for how long, where and when', () => {
    const [title, lasted, where] = spanLines(SPAN, trans);

    expect([title, lasted]).toEqual(['fit', '1.25 s']);
    expect(where).toMatch(/^engine 3, from .*\.250/);
  });

  it('tells that it failed, or that it is many', () => {
    const [, failed] = spanLines({ ...SPAN, failed: true }, trans);
    const [, many] = spanLines({ ...SPAN, count: 40 }, trans);

    expect([failed, many]).toEqual(['failed after 1.25 s', '40 short tasks, together 1.25 s']);
  });
});
