import { describe, expect, it } from 'vitest';

import type { ICluster } from '../src/contract';
import { ClusterModel } from '../src/model';
import { Pointing } from '../src/pointing';
import { View } from '../src/view';

/** Two clusters, the first of which is selected, and a menu that was opened on something. */
function stage(opened: Record<string, string> = {}) {
  const [model, view] = [new ClusterModel(), new View()];
  const clusters = ['one', 'two'].map(id => ({ id, state: 'ready' }) as ICluster);
  model.take({ type: 'clusters', at: 0, clusters }, 0);
  const node = { dataset: opened } as unknown as HTMLElement;
  return { view, pointing: new Pointing(model, view, test => (test(node) ? node : undefined)) };
}

describe('the cluster that a command is about', () => {
  it('is the one that its arguments name', () => {
    expect(stage({ cluster: 'one' }).pointing.cluster({ id: 'two' })?.id).toBe('two');
  });

  it('is none where its arguments name one that is not there', () => {
    expect(stage().pointing.cluster({ id: 'three' })).toBeNull();
  });

  it('is the one that the context menu was opened on', () => {
    expect(stage({ cluster: 'two' }).pointing.cluster({ pointed: true })?.id).toBe('two');
  });

  it('is the selected one, wherever a menu was opened before', () => {
    expect(stage({ cluster: 'two' }).pointing.cluster({})?.id).toBe('one');
  });
});

describe('the engine that a command is about', () => {
  it('is the one that the context menu was opened on', () => {
    const { pointing } = stage({ engine: '7' });

    expect(pointing.engine({ pointed: true })).toEqual({ cluster: 'one', engine: 7 });
  });

  it('is the one that its arguments name', () => {
    const { pointing } = stage({ engine: '7' });

    expect(pointing.engine({ id: 'two', engine: 3 })).toEqual({ cluster: 'two', engine: 3 });
  });

  it('is the one whose details are shown, or none', () => {
    const { pointing, view } = stage();
    const before = pointing.engine({});
    view.set({ engine: 4 });

    expect([before, pointing.engine({})]).toEqual([null, { cluster: 'one', engine: 4 }]);
  });
});
