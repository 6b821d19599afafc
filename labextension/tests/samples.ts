/**
 * What the server may tell, for tests: plain rows, in which each names what matters to it.
 */
import type { ICluster, IEngine, IStatusNow, IWork } from '../src/contract';

/** A cluster of four engines with nothing to do. */
export function cluster(more: Partial<ICluster> = {}): ICluster {
  return {
    id: 'demo',
    state: 'ready',
    profile: '',
    host: '',
    hosts: 0,
    launchers: [],
    wanted: 4,
    ready: 4,
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
    log: '',
    ...more
  };
}

/** An engine with nothing to do, that nobody measures. */
export function engine(id: number, more: Partial<IEngine> = {}): IEngine {
  return {
    id,
    state: 'idle',
    host: '',
    pid: 1,
    label: '',
    since: 0,
    queued: 0,
    ended: 0,
    failed: 0,
    cpu: null,
    nbytes: null,
    limit: 0,
    reason: '',
    ...more
  };
}

/** A map of one task, which is done, though nobody has noticed its end. */
export function work(number: number, more: Partial<IWork> = {}): IWork {
  return {
    number,
    session: '',
    label: '',
    name: 'fit',
    kind: 'map',
    done: 1,
    failed: 0,
    cancelled: 0,
    running: 0,
    queued: 0,
    began: number,
    ended: 0,
    error: '',
    retried: 0,
    ...more
  };
}

/** News of a cluster in which nothing has changed. */
export function status(of: string, news: Partial<IStatusNow> = {}): IStatusNow {
  return {
    type: 'status',
    cluster: of,
    whole: false,
    engines: [],
    gone: [],
    work: [],
    past: [],
    lines: {},
    ...news
  };
}
