/**
 * The JSON contract between the browser and the server extension; twin of `schema.py`.
 *
 * Types only; `guards.ts` looks at what really came. Times are seconds since 1970 by the server's
 * clock. This file imports nothing.
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

/** `cancel` what has not begun, `interrupt` what runs, too, or run again what failed. */
export const WORK_ACTIONS = ['cancel', 'interrupt', 'retry'] as const;
export type WorkAction = (typeof WORK_ACTIONS)[number];

export const FIELD_KINDS = ['text', 'integer', 'number', 'flag', 'choice', 'list', 'map'] as const;
export type FieldKind = (typeof FIELD_KINDS)[number];

/** What a launcher can be told in a form. */
export type OptionValue =
  boolean | number | string | readonly string[] | Readonly<Record<string, string>>;

/** A cluster of this user on this host, wherever it was started. */
export interface ICluster {
  readonly id: string;
  readonly state: ClusterState;
  readonly profile: string;
  readonly host: string;
  /** How many hosts have engines now. */
  readonly hosts: number;
  /** What has started engines on other hosts. */
  readonly launchers: readonly string[];
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
  /** How many of those that failed run again, or have. */
  readonly retried: number;
}

/**
 * A recipe for a cluster; `error` says why it cannot be used.
 *
 * `options` are what it tells its launcher, `beyond` the names of those that fit into no form.
 */
export interface IProfile {
  readonly name: string;
  readonly description: string;
  readonly launcher: string;
  readonly n: number | null;
  readonly error: string;
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly beyond: readonly string[];
}

/** An option of a launcher, and what it is where nobody says; `usual`: not only few need it. */
export interface IField {
  readonly name: string;
  readonly kind: FieldKind;
  readonly value: OptionValue;
  readonly help: string;
  readonly choices: readonly string[];
  readonly usual: boolean;
}

/** What starts engines; `missing` says why it cannot do so here, as far as anybody can see. */
export interface ILauncher {
  readonly name: string;
  readonly about: string;
  readonly missing: string;
  readonly fields: readonly IField[];
}

export interface IProfiles {
  readonly profiles: readonly IProfile[];
  readonly processors: number;
  readonly launchers: readonly ILauncher[];
}

export interface ILog {
  readonly text: string;
}

/** A kernel of the server that stands for an engine. */
export interface IConsole {
  readonly kernel: string;
  readonly name: string;
}

/** Which cluster a notebook has chosen, null if none, and whether that one is there. */
export interface IChoice {
  readonly cluster: string | null;
  readonly runs: boolean;
}

/** What came of an action on work: so many tasks will never run, or run again. */
export interface ITended {
  readonly count: number;
  /** Whose they are that run again. */
  readonly client: string;
  /** Why others do not. */
  readonly reason: string;
}

/** Start a cluster; what is not given is as the profile has it, each option by itself. */
export interface INew {
  readonly profile?: string;
  readonly id?: string;
  readonly n?: number;
  readonly launcher?: string;
  readonly options?: Readonly<Record<string, OptionValue>>;
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
  /** What engines wrote last, by engine; empty where one has written nothing. */
  readonly lines: Readonly<Record<string, string>>;
}

/**
 * Which tasks have ended since the last time, when and where they ran.
 *
 * The n-th of each list but `titles` is of the n-th span, which is `count` tasks of one engine, one
 * after the other; `title` is a place in `titles`. What was told before is told again if it is
 * `whole`.
 */
export interface ISpansNow {
  readonly type: 'spans';
  readonly cluster: string;
  readonly whole: boolean;
  readonly titles: readonly string[];
  readonly engine: readonly number[];
  readonly title: readonly number[];
  readonly began: readonly number[];
  readonly lasted: readonly number[];
  readonly failed: readonly boolean[];
  readonly count: readonly number[];
  /** How many tasks are not told of, as there are too many. */
  readonly leftOut: number;
}

/** What the browser said could not be understood, or done. */
export interface IRefusal {
  readonly type: 'refusal';
  readonly reason: string;
}

export type ToBrowser = IClustersNow | IStatusNow | ISpansNow | IRefusal;

/** Tell everything of this cluster from now on; null for none. With `spans`, of each task, too. */
export interface ISelect {
  readonly type: 'select';
  readonly cluster: string | null;
  readonly interval: number;
  readonly spans: boolean;
}
