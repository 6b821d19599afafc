import { beforeEach, describe, expect, it, vi } from 'vitest';

import { startUnasked } from '../src/autostart';
import type { ICluster } from '../src/contract';
import { ClusterModel } from '../src/model';

const tell = (model: ClusterModel, ids: readonly string[]): void => {
  const clusters = ids.map(id => ({ id }) as ICluster);
  model.take({ type: 'clusters', at: 0, clusters }, 0);
};

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value)
  });
});

describe('a cluster that is started with JupyterLab', () => {
  it('is started once it is known that none runs', () => {
    const [model, start] = [new ClusterModel(), vi.fn(() => Promise.resolve())];
    startUnasked(model, { startUnasked: start }, true);
    const early = start.mock.calls.length;
    tell(model, []);
    tell(model, []);

    expect([early, start.mock.calls.length]).toEqual([0, 1]);
  });

  it.each([
    ['where one runs', true, ['mine']],
    ['where nobody wants that', false, []]
  ])('is not started %s', (_, isWanted, running) => {
    const [model, start] = [new ClusterModel(), vi.fn(() => Promise.resolve())];
    startUnasked(model, { startUnasked: start }, isWanted);
    tell(model, running);

    expect(start).not.toHaveBeenCalled();
  });

  it('is not started again after a reload', () => {
    const start = vi.fn(() => Promise.resolve());
    for (const model of [new ClusterModel(), new ClusterModel()]) {
      startUnasked(model, { startUnasked: start }, true);
      tell(model, []);
    }

    expect(start).toHaveBeenCalledTimes(1);
  });
});
