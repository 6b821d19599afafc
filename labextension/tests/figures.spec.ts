import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { clusterLine, farOf, percent, size, span, titleOf } from '../src/figures';
import { cluster, work } from './samples';

const trans = nullTranslator.load('');

const WORK = work(1, {
  session: 'a.ipynb',
  kind: 'apply',
  done: 30,
  failed: 10,
  running: 4,
  queued: 56,
  began: 1000
});

const CLUSTER = cluster({ host: 'here' });

describe('a span', () => {
  it.each([
    [-1, '0 s'],
    [59.4, '59 s'],
    [61, '1 min 01 s'],
    [7500, '2 h 05 min'],
    [90000, '1 d 01 h']
  ])('of %d seconds is written as %s', (seconds, text) => {
    expect(span(seconds)).toBe(text);
  });
});

describe('a size', () => {
  it.each([
    [0, '0 B'],
    [1536, '1.5 KiB'],
    [300 * 1024 * 1024, '300 MiB'],
    [2 ** 50, '1024 TiB']
  ])('of %d bytes is written as %s', (nbytes, text) => {
    expect(size(nbytes)).toBe(text);
  });
});

it('writes a fraction as a percentage', () => {
  expect(percent(0.256)).toBe('26 %');
});

describe('work', () => {
  it('is as far as its tasks have ended, and goes on as it did so far', () => {
    expect(farOf(WORK, 1020)).toEqual({ total: 100, ended: 40, fraction: 0.4, rate: 2, left: 30 });
  });

  it('that is over has nothing left', () => {
    const over = { ...WORK, running: 0, queued: 0, ended: 1010 };

    expect(farOf(over, 5000)).toEqual({ total: 40, ended: 40, fraction: 1, rate: 4, left: null });
  });

  it('that has just begun is of unknown length', () => {
    expect(farOf({ ...WORK, done: 0, failed: 0 }, 1000).left).toBeNull();
  });

  it('is called by its label, else by its function, else by what is done', () => {
    const label = 'search';

    expect(titleOf({ ...WORK, label })).toBe('search');
    expect(titleOf(WORK)).toBe('fit');
    expect(titleOf({ ...WORK, name: '' })).toBe('apply');
  });
});

describe('the line of a cluster', () => {
  it('says nothing of what there is not', () => {
    expect(clusterLine(CLUSTER, trans)).toBe('4 engines');
  });

  it('says what is missing, busy and queued', () => {
    const cluster = { ...CLUSTER, ready: 3, busy: 2, queued: 37 };

    expect(clusterLine(cluster, trans)).toBe('3 of 4 engines · 2 busy · 37 queued');
  });
});
