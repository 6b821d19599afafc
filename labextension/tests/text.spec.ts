import { describe, expect, it } from 'vitest';

import { clusterCode, connectCode, isEngineCount } from '../src/text';

describe('clusterCode', () => {
  it('starts as many engines as asked for and takes a view of all', () => {
    expect(clusterCode(12).split('\n')).toEqual([
      'import ipcluster_ext as ipp',
      '',
      'rc = ipp.Cluster(n=12).start_and_connect_sync()',
      'view = rc[:]',
      'rc.ids'
    ]);
  });
});

describe('connectCode', () => {
  it('attaches to a running cluster and starts none', () => {
    expect(connectCode().split('\n')).toEqual([
      'import ipcluster_ext as ipp',
      '',
      'rc = ipp.Client()',
      'view = rc[:]',
      'rc.ids'
    ]);
  });

  it('attaches to the cluster that is named', () => {
    expect(connectCode('demo')).toContain('rc = ipp.connect("demo")');
  });
});

describe('isEngineCount', () => {
  it.each([1, 4, 1000])('accepts %s', value => {
    expect(isEngineCount(value)).toBe(true);
  });

  it.each([0, -1, 2.5, NaN, Infinity, 2 ** 53, '4', null, undefined])('refuses %s', value => {
    expect(isEngineCount(value)).toBe(false);
  });
});
