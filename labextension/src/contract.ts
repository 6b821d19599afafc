/**
 * The JSON contract between the browser and the server extension; twin of `schema.py`.
 *
 * Types, and guards that look at what really came: nothing that the server says is believed
 * unseen. Times are seconds since 1970 by the server's clock. This file imports nothing.
 */

export const CLUSTER_STATES = [
  'starting',
  'ready',
  'empty',
  'recovering',
  'stopping',
  'failed'
] as const;
export type ClusterState = (typeof CLUSTER_STATES)[number];

export const ENGINE_STATES = [
  'starting',
  'idle',
  'busy',
  'unresponsive',
  'retiring',
  'dead'
] as const;
export type EngineState = (typeof ENGINE_STATES)[number];

export const ENGINE_ACTIONS = ['interrupt', 'restart', 'stop', 'retire'] as const;
export type EngineAction = (typeof ENGINE_ACTIONS)[number];

/** A cluster of this user on this host, wherever it was started. */
export interface ICluster {
  readonly id: string;
  readonly state: ClusterState;
  readonly profile: string;
  readonly host: string;
  readonly wanted: number;
  readonly ready: number;
  readonly busy: number;
  readonly queued: number;
  readonly running: number;
  readonly ended: number;
  readonly failed: number;
  /** The process with which it ends, 0 if it lives until it is stopped. */
  readonly owner: number;
  readonly startedAt: number;
  readonly startedBy: string;
  readonly connectionFile: string;
  /** Why it failed, or what went wrong last. */
  readonly error: string;
  /** What its processes said when it could not start. */
  readonly log: string;
}

/** An engine: `label` is what it runs, `since` when it began that or became idle. */
export interface IEngine {
  readonly id: number;
  readonly state: EngineState;
  readonly host: string;
  readonly pid: number;
  readonly label: string;
  readonly since: number;
  readonly queued: number;
  readonly ended: number;
  readonly failed: number;
  /** A fraction of one processor; null where nobody measures. */
  readonly cpu: number | null;
  readonly nbytes: number | null;
  /** The memory for all engines of its host, 0 if that is not known. */
  readonly limit: number;
  readonly reason: string;
}

/** Tasks that belong together: a map, or calls of one function under one label. */
export interface IWork {
  readonly number: number;
  readonly session: string;
  readonly label: string;
  readonly name: string;
  readonly kind: string;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly running: number;
  readonly queued: number;
  readonly began: number;
  /** 0 as long as one of the tasks has not ended. */
  readonly ended: number;
  readonly error: string;
}

/** A recipe for a cluster; `error` says why it cannot be used. */
export interface IProfile {
  readonly name: string;
  readonly description: string;
  readonly launcher: string;
  readonly n: number | null;
  readonly error: string;
}

export interface IProfiles {
  readonly profiles: readonly IProfile[];
  readonly processors: number;
}

export interface ILog {
  readonly text: string;
}

/** A kernel of the server that stands for an engine. */
export interface IConsole {
  readonly kernel: string;
  readonly name: string;
}

/** Start a cluster; what is not given is as the profile has it. */
export interface INew {
  readonly profile?: string;
  readonly id?: string;
  readonly n?: number;
}

/** All clusters, whenever something of them changes; `at` is what time it is on the server. */
export interface IClustersNow {
  readonly type: 'clusters';
  readonly at: number;
  readonly clusters: readonly ICluster[];
}

/** What has changed in the selected cluster; everything if it is `whole`. */
export interface IStatusNow {
  readonly type: 'status';
  readonly cluster: string;
  readonly whole: boolean;
  readonly engines: readonly IEngine[];
  readonly gone: readonly number[];
  readonly work: readonly IWork[];
  readonly past: readonly number[];
}

/** What the browser said could not be understood, or done. */
export interface IRefusal {
  readonly type: 'refusal';
  readonly reason: string;
}

export type ToBrowser = IClustersNow | IStatusNow | IRefusal;

/** Tell everything of this cluster from now on; null for none. */
export interface ISelect {
  readonly type: 'select';
  readonly cluster: string | null;
  readonly interval: number;
}

// -------------------------------------------------------------------------- guards

type Guard<T> = (value: unknown) => value is T;

const isString: Guard<string> = value => typeof value === 'string';
const isNumber: Guard<number> = (value): value is number => Number.isFinite(value);
const isBoolean: Guard<boolean> = value => typeof value === 'boolean';

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || isNumber(value);
}

function isOneOf<T extends string>(values: readonly T[]): Guard<T> {
  return (value): value is T => values.some(each => each === value);
}

function isListOf<T>(guard: Guard<T>): Guard<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(guard);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Make a guard of the guards of all fields. */
function isShaped<T>(fields: { readonly [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const guards = Object.entries<Guard<unknown>>(fields);
  return (value): value is T =>
    isObject(value) && guards.every(([name, guard]) => guard(value[name]));
}

export const isCluster = isShaped<ICluster>({
  id: isString,
  state: isOneOf(CLUSTER_STATES),
  profile: isString,
  host: isString,
  wanted: isNumber,
  ready: isNumber,
  busy: isNumber,
  queued: isNumber,
  running: isNumber,
  ended: isNumber,
  failed: isNumber,
  owner: isNumber,
  startedAt: isNumber,
  startedBy: isString,
  connectionFile: isString,
  error: isString,
  log: isString
});

export const isEngine = isShaped<IEngine>({
  id: isNumber,
  state: isOneOf(ENGINE_STATES),
  host: isString,
  pid: isNumber,
  label: isString,
  since: isNumber,
  queued: isNumber,
  ended: isNumber,
  failed: isNumber,
  cpu: isNumberOrNull,
  nbytes: isNumberOrNull,
  limit: isNumber,
  reason: isString
});

export const isWork = isShaped<IWork>({
  number: isNumber,
  session: isString,
  label: isString,
  name: isString,
  kind: isString,
  done: isNumber,
  failed: isNumber,
  cancelled: isNumber,
  running: isNumber,
  queued: isNumber,
  began: isNumber,
  ended: isNumber,
  error: isString
});

export const isProfile = isShaped<IProfile>({
  name: isString,
  description: isString,
  launcher: isString,
  n: isNumberOrNull,
  error: isString
});

export const isProfiles = isShaped<IProfiles>({
  profiles: isListOf(isProfile),
  processors: isNumber
});

export const isLog = isShaped<ILog>({ text: isString });

export const isConsole = isShaped<IConsole>({ kernel: isString, name: isString });

const isClustersNow = isShaped<IClustersNow>({
  type: isOneOf(['clusters'] as const),
  at: isNumber,
  clusters: isListOf(isCluster)
});

const isStatusNow = isShaped<IStatusNow>({
  type: isOneOf(['status'] as const),
  cluster: isString,
  whole: isBoolean,
  engines: isListOf(isEngine),
  gone: isListOf(isNumber),
  work: isListOf(isWork),
  past: isListOf(isNumber)
});

const isRefusal = isShaped<IRefusal>({
  type: isOneOf(['refusal'] as const),
  reason: isString
});

export function isToBrowser(value: unknown): value is ToBrowser {
  return isClustersNow(value) || isStatusNow(value) || isRefusal(value);
}
