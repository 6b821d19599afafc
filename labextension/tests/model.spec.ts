import { describe, expect, it } from 'vitest';

import type { ICluster, IEngine, IStatusNow } from '../src/contract';
import { ClusterModel } from '../src/model';

function cluster(id: string): ICluster {
  return {
    id,
    state: 'ready',
    profile: '',
    host: '',
    wanted: 1,
    ready: 1,
    busy: 0,
    queued: 0,
    running: 0,
    ended: 0,
    failed: 0,
    owner: 0,
    startedAt: 0,
    startedBy: '',
    connectionFile: '',
    error: '',
    log: ''
  };
}

function engine(id: number, label = ''): IEngine {
  return {
    id,
    state: 'idle',
    host: '',
    pid: 1,
    label,
    since: 0,
    queued: 0,
    ended: 0,
    failed: 0,
    cpu: null,
    nbytes: null,
    limit: 0,
    reason: ''
  };
}

function status(cluster: string, news: Partial<IStatusNow>): IStatusNow {
  return {
    type: 'status',
    cluster,
    whole: false,
    engines: [],
    gone: [],
    work: [],
    past: [],
    ...news
  };
}

function counted(model: ClusterModel): () => number {
  let count = 0;
  model.changed.connect(() => {
    count += 1;
  });
  return () => count;
}

describe('a model', () => {
  it('selects the youngest cluster while none is selected', () => {
    const model = new ClusterModel();

    model.take({ type: 'clusters', at: 0, clusters: [cluster('young'), cluster('old')] }, 0);

    expect(model.selected?.id).toBe('young');
  });

  it('keeps the selection as long as that cluster is there, and then takes another', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster('a'), cluster('b')] }, 0);
    model.select('b');
    model.take({ type: 'clusters', at: 0, clusters: [cluster('c'), cluster('b')] }, 0);
    const kept = model.selected?.id;
    model.take({ type: 'clusters', at: 0, clusters: [cluster('c')] }, 0);

    expect([kept, model.selected?.id]).toEqual(['b', 'c']);
  });

  it('folds changes into what it knows, and everything in place of it', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster('a')] }, 0);
    model.take(status('a', { whole: true, engines: [engine(2), engine(0), engine(1)] }), 0);
    model.take(status('a', { engines: [engine(1, 'fit')], gone: [0] }), 0);
    const changed = model.engines.map(each => [each.id, each.label]);
    model.take(status('a', { whole: true, engines: [engine(7)] }), 0);

    expect(changed).toEqual([
      [1, 'fit'],
      [2, '']
    ]);
    expect(model.engines.map(each => each.id)).toEqual([7]);
  });

  it('passes over what is said of a cluster that is not selected any more', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster('a'), cluster('b')] }, 0);
    const count = counted(model);
    model.take(status('b', { whole: true, engines: [engine(0)] }), 0);

    expect([model.engines, count()]).toEqual([[], 0]);
  });

  it('forgets engines when another cluster is selected', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster('a'), cluster('b')] }, 0);
    model.take(status('a', { whole: true, engines: [engine(0)] }), 0);
    model.select('b');

    expect(model.engines).toEqual([]);
  });

  it('knows what time it is on the server', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 1060, clusters: [] }, 1000);

    expect(model.serverTime(1010)).toBe(1070);
  });

  it('tells of a refusal, and of a change only', () => {
    const model = new ClusterModel();
    const count = counted(model);
    model.take({ type: 'refusal', reason: 'no such cluster' }, 0);
    model.setTrouble('no such cluster');
    model.setReach('connecting');

    expect([model.trouble, count()]).toEqual(['no such cluster', 1]);
  });
});
