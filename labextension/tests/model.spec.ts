import { describe, expect, it } from 'vitest';

import { ClusterModel } from '../src/model';
import { cluster, engine, status } from './samples';

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

    model.take(
      { type: 'clusters', at: 0, clusters: [cluster({ id: 'young' }), cluster({ id: 'old' })] },
      0
    );

    expect(model.selected?.id).toBe('young');
  });

  it('keeps the selection as long as that cluster is there, and then takes another', () => {
    const model = new ClusterModel();
    model.take(
      { type: 'clusters', at: 0, clusters: [cluster({ id: 'a' }), cluster({ id: 'b' })] },
      0
    );
    model.select('b');
    model.take(
      { type: 'clusters', at: 0, clusters: [cluster({ id: 'c' }), cluster({ id: 'b' })] },
      0
    );
    const kept = model.selected?.id;
    model.take({ type: 'clusters', at: 0, clusters: [cluster({ id: 'c' })] }, 0);

    expect([kept, model.selected?.id]).toEqual(['b', 'c']);
  });

  it('folds changes into what it knows, and everything in place of it', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster({ id: 'a' })] }, 0);
    model.take(status('a', { whole: true, engines: [engine(2), engine(0), engine(1)] }), 0);
    model.take(status('a', { engines: [engine(1, { label: 'fit' })], gone: [0] }), 0);
    const changed = model.engines.map(each => [each.id, each.label]);
    model.take(status('a', { whole: true, engines: [engine(7)] }), 0);

    expect(changed).toEqual([
      [1, 'fit'],
      [2, '']
    ]);
    expect(model.engines.map(each => each.id)).toEqual([7]);
  });

  it('knows what each engine wrote last, as long as that one is there', () => {
    const model = new ClusterModel();
    model.take({ type: 'clusters', at: 0, clusters: [cluster({ id: 'a' })] }, 0);
    const engines = [engine(0), engine(1), engine(2)];
    model.take(status('a', { whole: true, engines, lines: { 0: 'one', 1: 'two' } }), 0);
    const first = [...model.lines];
    model.take(status('a', { gone: [0], lines: { 1: '', 2: 'three' } }), 0);
    const then = [...model.lines];
    model.take(status('a', { whole: true }), 0);

    expect(first).toEqual([
      [0, 'one'],
      [1, 'two']
    ]);
    expect(then).toEqual([
      [1, ''],
      [2, 'three']
    ]);
    expect(model.lines.size).toBe(0);
  });

  it('passes over what is said of a cluster that is not selected any more', () => {
    const model = new ClusterModel();
    model.take(
      { type: 'clusters', at: 0, clusters: [cluster({ id: 'a' }), cluster({ id: 'b' })] },
      0
    );
    const count = counted(model);
    model.take(status('b', { whole: true, engines: [engine(0)] }), 0);

    expect([model.engines, count()]).toEqual([[], 0]);
  });

  it('forgets engines when another cluster is selected', () => {
    const model = new ClusterModel();
    model.take(
      { type: 'clusters', at: 0, clusters: [cluster({ id: 'a' }), cluster({ id: 'b' })] },
      0
    );
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
