import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Feed } from '../src/feed';
import { ClusterModel } from '../src/model';
import { cluster } from './samples';

const OPEN = 1;
const CLUSTER = cluster({ wanted: 1, ready: 1 });

const WISH = { type: 'select', cluster: 'demo', interval: 0.5, spans: false };

/** A socket whose other end is the test. */
class Socket {
  static readonly OPEN = OPEN;
  static readonly all: Socket[] = [];

  constructor(readonly url: string) {
    Socket.all.push(this);
  }

  open(): void {
    this.readyState = OPEN;
    this.onopen?.();
  }

  tell(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readyState = 0;
  readonly sent: unknown[] = [];
}

function stage(): { model: ClusterModel; feed: Feed; socket: () => Socket } {
  const settings = {
    ...ServerConnection.makeSettings({ wsUrl: 'ws://here/base/', token: 'secret' }),
    WebSocket: Socket as unknown as typeof WebSocket
  };
  const model = new ClusterModel();
  const feed = new Feed(model, settings, 0.5);
  return {
    model,
    feed,
    socket: () => {
      const last = Socket.all.at(-1);
      if (last === undefined) {
        throw new Error('no socket was opened');
      }
      return last;
    }
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Socket);
  Socket.all.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('the feed', () => {
  it('asks for the cluster that is selected', () => {
    const { model, socket } = stage();
    socket().open();
    socket().tell({ type: 'clusters', at: 0, clusters: [CLUSTER] });

    expect(socket().url).toBe('ws://here/base/ipcluster-ext/feed?token=secret');
    expect(model.selected?.id).toBe('demo');
    expect(socket().sent.at(-1)).toEqual(WISH);
  });

  it('asks for no cluster while nobody looks, and again when somebody does', () => {
    const { feed, socket } = stage();
    socket().open();
    socket().tell({ type: 'clusters', at: 0, clusters: [CLUSTER] });
    feed.isAttentive = false;
    const unseen = socket().sent.at(-1);
    feed.isAttentive = true;

    expect(unseen).toMatchObject({ cluster: null });
    expect(socket().sent.at(-1)).toMatchObject({ cluster: 'demo' });
  });

  it('asks for spans as long as somebody looks at them', () => {
    const { feed, socket } = stage();
    socket().open();
    socket().tell({ type: 'clusters', at: 0, clusters: [CLUSTER] });
    feed.isAttentive = false;
    feed.attend('timeline', 'spans');
    const watched = socket().sent.at(-1);
    feed.attend('timeline', 'nothing');

    expect(watched).toEqual({ ...WISH, spans: true });
    expect(socket().sent.at(-1)).toMatchObject({ cluster: null, spans: false });
  });

  it('comes back after a break, and asks for everything once more', () => {
    const { model, socket } = stage();
    socket().open();
    socket().tell({ type: 'clusters', at: 0, clusters: [CLUSTER] });
    socket().close();
    const reach = model.reach;
    vi.advanceTimersByTime(250);
    socket().open();

    expect([reach, model.reach, Socket.all.length]).toEqual(['lost', 'open', 2]);
    expect(socket().sent).toEqual([WISH]);
  });

  it('passes over what it cannot understand', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const { model, socket } = stage();
    socket().open();
    socket().tell({ type: 'clusters', at: 'noon', clusters: [{}] });

    expect(model.clusters).toEqual([]);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('does not come back once it is disposed', () => {
    const { feed, socket } = stage();
    socket().open();
    feed.dispose();
    vi.advanceTimersByTime(60_000);

    expect([Socket.all.length, feed.isDisposed]).toEqual([1, true]);
  });
});
