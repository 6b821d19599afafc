import { describe, expect, it, vi } from 'vitest';

import type { ICluster, IWork } from '../src/contract';
import { ClusterModel } from '../src/model';
import { View } from '../src/view';
import { WorkActions } from '../src/workActions';

const CLUSTER = { id: 'demo' } as ICluster;
const WORK = { number: 3, began: 5, error: 'ValueError: no', failed: 2 } as IWork;
const TENDED = { count: 2, client: '0000002a', reason: '' };

function stage(confirms = true) {
  const [model, view] = [new ClusterModel(), new View()];
  model.take({ type: 'clusters', at: 0, clusters: [CLUSTER] }, 0);
  const api = {
    tend: vi.fn(() => Promise.resolve(TENDED)),
    workError: vi.fn(() => Promise.resolve('Traceback'))
  };
  const doors = { insert: vi.fn(() => false), copy: vi.fn(), confirms: () => confirms };
  return { model, view, api, doors, works: new WorkActions(model, view, api, doors, 'none') };
}

describe('work', () => {
  it('is stopped once that is confirmed', async () => {
    const { view, api, works } = stage();
    await works.ask(WORK, 'cancel');
    const asked = view.now.workQuestion;
    const calls = api.tend.mock.calls.length;
    await works.tend(WORK, 'cancel');

    expect([asked, calls]).toEqual([{ key: '3 5', what: 'cancel' }, 0]);
    expect(api.tend).toHaveBeenCalledWith('demo', WORK, 'cancel');
    expect(view.now.workQuestion).toBeNull();
  });

  it('is stopped at once where nobody wants to be asked', async () => {
    const { api, works } = stage(false);
    await works.ask(WORK, 'interrupt');

    expect(api.tend).toHaveBeenCalledWith('demo', WORK, 'interrupt');
  });

  it('is retried without a question, and what came of it is kept', async () => {
    const { view, works } = stage();
    await works.ask(WORK, 'retry');

    expect(view.now.retried).toEqual({ '3 5': TENDED });
  });

  it('that cannot be tended says why', async () => {
    const { model, api, works } = stage(false);
    api.tend.mockRejectedValueOnce(new Error('it has ended already'));
    await works.ask(WORK, 'cancel');

    expect(model.trouble).toBe('it has ended already');
  });

  it('shows its first error, and hides it', async () => {
    const { view, works } = stage();
    const coming = works.toggleError(WORK);
    const atOnce = view.now.openError;
    await coming;
    const all = view.now.openError;
    await works.toggleError(WORK);

    expect([atOnce, all]).toEqual([
      { key: '3 5', text: 'ValueError: no' },
      { key: '3 5', text: 'Traceback' }
    ]);
    expect(view.now.openError).toBeNull();
  });

  it('says that there is no notebook for its code', () => {
    const { model, doors, works } = stage();
    works.insertFetch('0000002a');

    expect(doors.insert).toHaveBeenCalledWith(
      'rc.get_result(rc.history(client_uuid="0000002a")).get()'
    );
    expect(model.trouble).toBe('none');
  });
});
