import { describe, expect, it, vi } from 'vitest';

import { Binding, clusterIn, type AsksChoice, type INotebookDoor } from '../src/binding';
import type { ICluster } from '../src/contract';
import { ClusterModel } from '../src/model';
import { preparation } from '../src/notebooks';

interface IStage {
  /** What stands in the metadata, empty for nothing. */
  written?: string;
  /** What the kernel knows. */
  known?: string;
  running?: readonly string[];
  proposed?: string;
  kernel?: string | null;
}

function stage({ written = '', known = '', running = [], proposed = '', kernel = 'k' }: IStage) {
  const model = new ClusterModel();
  const tell = (ids: readonly string[], state = 'ready'): void => {
    const clusters = ids.map(id => ({ id, state, ready: 0 }) as ICluster);
    model.take({ type: 'clusters', at: 0, clusters }, 0);
  };
  let metadata: unknown = written === '' ? undefined : { cluster: written };
  const door: INotebookDoor = {
    read: () => metadata,
    write: vi.fn((value: unknown) => {
      metadata = value;
    }),
    kernel: () => kernel,
    prepare: vi.fn(),
    proposed: () => proposed,
    complain: vi.fn()
  };
  const api: AsksChoice = {
    choice: vi.fn(() => Promise.resolve({ cluster: known || null, runs: running.includes(known) })),
    choose: vi.fn(() => Promise.resolve())
  };
  tell(running);
  const binding = new Binding(door, api, model);
  return { binding, api, door, tell, metadata: () => metadata };
}

describe('a notebook that is opened', () => {
  it('tells its kernel what stands in its metadata', async () => {
    const { binding, api, door } = stage({ written: 'demo', running: ['demo'] });
    await binding.settle();

    expect(binding.cluster).toBe('demo');
    expect(vi.mocked(api.choose).mock.calls).toEqual([['k', 'demo']]);
    expect(vi.mocked(door.prepare).mock.calls).toEqual([[{ cluster: 'demo', replaces: false }]]);
    expect(door.write).not.toHaveBeenCalled();
  });

  it('takes what its kernel knows already', async () => {
    const { binding, api, metadata } = stage({ written: 'old', known: 'demo', running: ['demo'] });
    await binding.settle();

    expect([binding.cluster, metadata()]).toEqual(['demo', { cluster: 'demo' }]);
    expect(api.choose).not.toHaveBeenCalled();
  });

  it('keeps a cluster that does not run, and tells its kernel when it comes', async () => {
    const { binding, api, tell } = stage({ written: 'later' });
    await binding.settle();
    const before = vi.mocked(api.choose).mock.calls.length;
    tell(['later']);
    tell(['later']);

    expect([binding.cluster, before]).toEqual(['later', 0]);
    expect(vi.mocked(api.choose).mock.calls).toEqual([['k', 'later']]);
  });

  it('tells its kernel of a cluster that starts at once, and of one that failed never', async () => {
    const { binding, api, tell } = stage({});
    await binding.settle();
    tell(['young'], 'starting');
    await binding.use('young');
    const told = [...vi.mocked(api.choose).mock.calls];
    tell(['sick'], 'failed');
    await binding.use('sick');

    expect(told).toEqual([['k', 'young']]);
    expect(vi.mocked(api.choose).mock.calls).toEqual(told);
  });

  it('gets what is proposed to new ones if it has none', async () => {
    const { binding, api, metadata } = stage({ proposed: 'demo', running: ['demo'] });
    await binding.settle();

    expect([binding.cluster, metadata()]).toEqual(['demo', { cluster: 'demo' }]);
    expect(api.choose).toHaveBeenCalledWith('k', 'demo');
  });

  it('is left as it is where nothing is chosen or proposed', async () => {
    const { binding, api, door } = stage({ running: ['demo'] });
    await binding.settle();
    binding.greet();

    expect(binding.cluster).toBe('');
    expect(api.choose).not.toHaveBeenCalled();
    expect(door.write).not.toHaveBeenCalled();
    expect(door.prepare).not.toHaveBeenCalled();
  });

  it('shows what stands in its metadata where its kernel can be told nothing', async () => {
    const { binding, api } = stage({ written: 'demo', running: ['demo'] });
    vi.mocked(api.choice).mockRejectedValue(new Error('not on this host'));
    await binding.settle();

    expect(binding.cluster).toBe('demo');
    expect(api.choose).not.toHaveBeenCalled();
  });
});

describe('a choice', () => {
  it('holds for cells that are run before the server has written it down', async () => {
    const { binding, api, door } = stage({ running: ['demo'] });
    await binding.settle();
    vi.mocked(api.choose).mockReturnValue(new Promise(() => undefined));
    void binding.use('demo');

    expect(vi.mocked(door.prepare).mock.calls).toEqual([[{ cluster: 'demo', replaces: true }]]);
  });

  it('of a cluster that failed brings the magics alone', async () => {
    const { binding, door, tell } = stage({});
    await binding.settle();
    tell(['sick'], 'failed');
    await binding.use('sick');

    expect(vi.mocked(door.prepare).mock.calls).toEqual([[undefined]]);
  });

  it('counts more than what the kernel knew when it was asked', async () => {
    const { binding, api, metadata } = stage({ known: 'old', running: ['old', 'new'] });
    const settled = binding.settle();
    await binding.use('new');
    await settled;

    expect([binding.cluster, metadata()]).toEqual(['new', { cluster: 'new' }]);
    expect(api.choose).toHaveBeenLastCalledWith('k', 'new');
  });

  it('is written into the notebook and told to its kernel', async () => {
    const { binding, api, metadata } = stage({ running: ['demo'] });
    await binding.settle();
    const changed = vi.fn();
    binding.changed.connect(changed);
    await binding.use('demo');
    await binding.use('demo');

    expect([binding.cluster, metadata()]).toEqual(['demo', { cluster: 'demo' }]);
    expect(vi.mocked(api.choose).mock.calls).toEqual([['k', 'demo']]);
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it('is taken back', async () => {
    const { binding, api, door, metadata } = stage({
      written: 'demo',
      known: 'demo',
      running: ['demo']
    });
    await binding.settle();
    await binding.use('');

    expect([binding.cluster, metadata()]).toEqual(['', undefined]);
    expect(api.choose).toHaveBeenCalledWith('k', '');
    expect(door.prepare).toHaveBeenLastCalledWith({ cluster: '', replaces: true });
  });

  it('that is refused is complained about', async () => {
    const { binding, api, door } = stage({ running: ['demo'] });
    vi.mocked(api.choose).mockRejectedValue(new Error('no such cluster'));
    await binding.settle();
    await binding.use('demo');

    expect(door.complain).toHaveBeenCalledWith('no such cluster');
  });

  it('of the notebook’s own code is taken over', async () => {
    const { binding, api, metadata } = stage({ running: ['demo'] });
    await binding.settle();
    vi.mocked(api.choice).mockResolvedValue({ cluster: 'demo', runs: true });
    await binding.look();

    expect([binding.cluster, metadata()]).toEqual(['demo', { cluster: 'demo' }]);
  });

  it('of the notebook’s own code is taken back with it', async () => {
    const { binding, api, metadata } = stage({ known: 'demo', running: ['demo'] });
    await binding.settle();
    vi.mocked(api.choice).mockResolvedValue({ cluster: null, runs: false });
    await binding.look();

    expect([binding.cluster, metadata()]).toEqual(['', undefined]);
  });

  it('stays when its cluster has ended', async () => {
    const { binding, api } = stage({ known: 'demo', running: ['demo'] });
    await binding.settle();
    vi.mocked(api.choice).mockResolvedValue({ cluster: 'demo', runs: false });
    await binding.look();

    expect(binding.cluster).toBe('demo');
  });

  it('waits for a kernel', async () => {
    const { binding, api } = stage({ running: ['demo'], kernel: null });
    await binding.use('demo');

    expect(binding.cluster).toBe('demo');
    expect(api.choose).not.toHaveBeenCalled();
  });
});

describe('what a kernel runs', () => {
  it.each([
    [undefined, ''],
    [{ cluster: 'demo', replaces: false }, ', "demo"'],
    [{ cluster: 'it\'s "so"', replaces: true }, ', "it\'s \\"so\\"", replaces=True'],
    [{ cluster: '', replaces: true }, ', "", replaces=True']
  ])('for %j says it', (choice, names) => {
    expect(preparation(choice)).toContain(`_prepare(get_ipython()${names})`);
  });
});

describe('metadata', () => {
  it.each([undefined, null, 'demo', 7, {}, { cluster: 3 }])('%j names no cluster', value => {
    expect(clusterIn(value)).toBe('');
  });
});
