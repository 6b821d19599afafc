import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Actions, SETTLED, UNASKED_ID, type Asks, type IDoors } from '../src/actions';
import { ClusterModel } from '../src/model';
import { Refused } from '../src/refused';
import { View } from '../src/view';
import { cluster } from './samples';

const CLUSTER = cluster({ state: 'starting', ready: 0 });

const HERE = { profile: '', n: 4, launcher: 'local', options: {} };

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
    profiles: vi.fn(() => Promise.resolve({ profiles: [], processors: 6, launchers: [] })),
    ...asks
  };
  const all: IDoors = {
    insert: vi.fn(() => true),
    openConsole: vi.fn(() => Promise.resolve()),
    proposal: vi.fn(() => Promise.resolve({})),
    remember: vi.fn(() => Promise.resolve()),
    confirms: () => true,
    use: vi.fn(() => Promise.resolve(true)),
    copy: vi.fn(),
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

    expect(view.now.draft).toEqual({ ...HERE, n: 6 });
  });

  it('proposes what was chosen last, but no profile that cannot be used', async () => {
    const broken = {
      name: 'old',
      description: '',
      launcher: 'local',
      n: 9,
      error: 'typo',
      options: {},
      beyond: []
    };
    const { actions, view } = stage(
      { profiles: () => Promise.resolve({ profiles: [broken], processors: 6, launchers: [] }) },
      { proposal: () => Promise.resolve({ profile: 'old', n: 3 }) }
    );
    await actions.openForm();

    expect(view.now.draft).toEqual({ ...HERE, n: 3 });
  });

  it('starts a cluster, closes, and remembers what was chosen', async () => {
    const { actions, api, doors, view } = stage();
    await actions.start(HERE);

    expect(api.start).toHaveBeenCalledWith({ n: 4 });
    expect(doors.remember).toHaveBeenCalledWith(HERE);
    expect([view.now.draft, view.now.asking]).toEqual([null, false]);
  });

  it('stays open with what was filled in when the server refuses', async () => {
    const { actions, model, view } = stage({ start: () => Promise.reject(new Error('no room')) });
    await actions.start({ ...HERE, profile: 'big', n: 400 });

    expect(model.trouble).toBe('no room');
    expect([view.now.draft, view.now.asking]).toEqual([{ ...HERE, profile: 'big', n: 400 }, false]);
  });
});

describe('an option that the server refuses', () => {
  it('is named in the form, which stays open', async () => {
    const refusal = new Refused('Expected int', 400, 'port');
    const { actions, model, view } = stage({ start: () => Promise.reject(refusal) });
    const draft = { ...HERE, launcher: 'ssh', options: { port: 'x' } };
    await actions.start(draft);

    expect(view.now.fault).toEqual({ field: 'port', text: 'Expected int' });
    expect([view.now.draft, view.now.asking, model.trouble]).toEqual([draft, false, '']);
    actions.closeForm();
    expect(view.now.fault).toBeNull();
  });
});

describe('a cluster that is started with JupyterLab', () => {
  it('is what the form would propose, and has the same id in every window', async () => {
    const { actions, api, view } = stage({}, { proposal: () => Promise.resolve({ n: 3 }) });
    await actions.startUnasked();

    expect(api.start).toHaveBeenCalledWith({ n: 3, id: UNASKED_ID });
    expect(view.now.draft).toBeNull();
  });
});

describe('the notebook that asked for a cluster', () => {
  it('gets the one that the form has started, and none that is started later', async () => {
    const { actions } = stage();
    const then = vi.fn();
    await actions.openForm(then);
    await actions.start(HERE);
    await actions.start(HERE);

    expect(then.mock.calls).toEqual([['demo']]);
  });

  it('gets none when the form is closed', async () => {
    const { actions } = stage();
    const then = vi.fn();
    await actions.openForm(then);
    actions.closeForm();
    await actions.start(HERE);

    expect(then).not.toHaveBeenCalled();
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

it('says at the engine why it can have no console, as long as that one is looked at', async () => {
  const refusal = new Refused('it is on another host', 409);
  const { actions, doors, model, view } = stage({ console: () => Promise.reject(refusal) });
  actions.choose(3);
  await actions.openConsole('demo', 3);
  const said = view.now.noConsole;
  actions.choose(2);
  await actions.openConsole('demo', 3);

  expect(doors.openConsole).not.toHaveBeenCalled();
  expect([said, view.now.noConsole]).toEqual(['it is on another host', '']);
  expect(model.trouble).toBe('it is on another host');
});

it('says so where there is no notebook that could use a cluster', async () => {
  const { actions, model } = stage({}, { use: () => Promise.resolve(false) });
  await actions.use('demo');

  expect(model.trouble).toBe('none');
});

it('copies the path of the connection file', () => {
  const { actions, doors, model } = stage();
  const clusters = [{ ...CLUSTER, connectionFile: '/run/demo/client.json' }];
  model.take({ type: 'clusters', at: 0, clusters }, 0);
  actions.copyConnection('demo');
  actions.copyConnection('gone');

  expect(vi.mocked(doors.copy).mock.calls).toEqual([['/run/demo/client.json']]);
});

it('says so where there is no notebook to put code into', () => {
  const { actions, model } = stage({}, { insert: () => false });
  actions.insertCode('demo');

  expect(model.trouble).toBe('none');
});
