import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Actions, SETTLED, type Asks, type IDoors } from '../src/actions';
import type { ICluster } from '../src/contract';
import { ClusterModel } from '../src/model';
import { View } from '../src/view';

const CLUSTER: ICluster = {
  id: 'demo',
  state: 'starting',
  profile: '',
  host: '',
  wanted: 4,
  ready: 0,
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

function stage(asks: Partial<Asks> = {}, doors: Partial<IDoors> = {}) {
  const api: Asks = {
    start: vi.fn(() => Promise.resolve(CLUSTER)),
    stop: vi.fn(() => Promise.resolve()),
    scale: vi.fn(() => Promise.resolve()),
    restart: vi.fn(() => Promise.resolve()),
    act: vi.fn(() => Promise.resolve()),
    log: vi.fn(() => Promise.resolve('a line')),
    engineLog: vi.fn(() => Promise.resolve('another line')),
    console: vi.fn(() => Promise.resolve({ kernel: 'k', name: 'engine 0' })),
    profiles: vi.fn(() => Promise.resolve({ profiles: [], processors: 6 })),
    ...asks
  };
  const all: IDoors = {
    insert: vi.fn(() => true),
    openConsole: vi.fn(() => Promise.resolve()),
    proposal: vi.fn(() => Promise.resolve({})),
    remember: vi.fn(() => Promise.resolve()),
    confirms: () => true,
    ...doors
  };
  const [model, view] = [new ClusterModel(), new View()];
  return { api, doors: all, model, view, actions: new Actions(model, view, api, all, 'none') };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the form', () => {
  it('proposes an engine for each processor', async () => {
    const { actions, view } = stage();
    await actions.openForm();

    expect(view.now.draft).toEqual({ profile: '', n: 6 });
  });

  it('proposes what was chosen last, but no profile that cannot be used', async () => {
    const broken = { name: 'old', description: '', launcher: 'local', n: 9, error: 'typo' };
    const { actions, view } = stage(
      { profiles: () => Promise.resolve({ profiles: [broken], processors: 6 }) },
      { proposal: () => Promise.resolve({ profile: 'old', n: 3 }) }
    );
    await actions.openForm();

    expect(view.now.draft).toEqual({ profile: '', n: 3 });
  });

  it('starts a cluster, closes, and remembers what was chosen', async () => {
    const { actions, api, doors, view } = stage();
    await actions.start({ profile: '', n: 4 });

    expect(api.start).toHaveBeenCalledWith({ n: 4 });
    expect(doors.remember).toHaveBeenCalledWith({ profile: '', n: 4 });
    expect([view.now.draft, view.now.asking]).toEqual([null, false]);
  });

  it('stays open with what was filled in when the server refuses', async () => {
    const { actions, model, view } = stage({ start: () => Promise.reject(new Error('no room')) });
    await actions.start({ profile: 'big', n: 400 });

    expect(model.trouble).toBe('no room');
    expect([view.now.draft, view.now.asking]).toEqual([{ profile: 'big', n: 400 }, false]);
  });
});

describe('scaling', () => {
  it('asks once for the last of several clicks', async () => {
    const { actions, api, view } = stage();
    actions.scale('demo', 3);
    actions.scale('demo', 4);
    actions.scale('demo', 5);
    const shown = view.now.scaling;
    await vi.advanceTimersByTimeAsync(SETTLED);

    expect(shown).toEqual({ demo: 5 });
    expect(api.scale).toHaveBeenCalledTimes(1);
    expect(api.scale).toHaveBeenCalledWith('demo', 5);
    expect(view.now.scaling).toEqual({});
  });

  it.each([NaN, -1, 2.5])('passes over %d', n => {
    const { actions, view } = stage();
    actions.scale('demo', n);

    expect(view.now.scaling).toEqual({});
  });
});

describe('stopping', () => {
  it('is done once it is confirmed', async () => {
    const { actions, api, view } = stage();
    const question = { cluster: 'demo', engine: null, what: 'stop' } as const;
    await actions.ask(question);
    const asked = view.now.question;
    const before = vi.mocked(api.stop).mock.calls.length;
    await actions.confirm(question);

    expect([asked, before]).toEqual([question, 0]);
    expect(api.stop).toHaveBeenCalledWith('demo');
    expect(view.now.question).toBeNull();
  });

  it('is done at once for those who do not want to be asked', async () => {
    const { actions, api } = stage({}, { confirms: () => false });
    await actions.ask({ cluster: 'demo', engine: 2, what: 'stop' });

    expect(api.act).toHaveBeenCalledWith('demo', 2, 'stop');
  });
});

it('tells of trouble until something works again', async () => {
  const { actions, model } = stage({ restart: () => Promise.reject(new Error('not now')) });
  await actions.confirm({ cluster: 'demo', engine: null, what: 'restart' });
  const trouble = model.trouble;
  await actions.showLog('demo', null);

  expect([trouble, model.trouble]).toEqual(['not now', '']);
});

it('opens a console on the kernel that stands for an engine', async () => {
  const { actions, doors } = stage();
  await actions.openConsole('demo', 0);

  expect(doors.openConsole).toHaveBeenCalledWith('k', 'engine 0');
});

it('says so where there is no notebook to put code into', () => {
  const { actions, model } = stage({}, { insert: () => false });
  actions.insertCode('demo');

  expect(model.trouble).toBe('none');
});
