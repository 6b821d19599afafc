/**
 * The commands other extensions, menus and shortcuts may run: their ids, and what they accept.
 */
import type { ReadonlyJSONObject } from '@lumino/coreutils';

/** Commands that put code into a notebook. */
export const CodeCommandIDs = {
  /** Insert code that starts engines. Argument `n`: how many; the user is asked where it is missing. */
  insertClusterCode: 'ipcluster-ext:insert-cluster-code',
  /** Insert code that attaches to a running cluster. Argument `id`: which one. */
  insertConnectCode: 'ipcluster-ext:insert-connect-code'
} as const;

/** Commands of the panel. Where no cluster is named, it is the one selected there. */
export const PanelCommandIDs = {
  /** Show the panel. */
  openPanel: 'ipcluster-ext:open-panel',
  /** Start a cluster. Without the argument `n` the panel's form is opened. */
  newCluster: 'ipcluster-ext:new-cluster',
  /** Have so many engines. Arguments `id` and `n`; the user is asked where `n` is missing. */
  scaleCluster: 'ipcluster-ext:scale-cluster',
  /** Give all engines of a cluster new processes. Argument `id`. */
  restartCluster: 'ipcluster-ext:restart-cluster',
  /** Stop a cluster. Argument `id`. */
  stopCluster: 'ipcluster-ext:stop-cluster',
  /** Show what the processes of a cluster have written. Argument `id`. */
  showLog: 'ipcluster-ext:show-log',
  /** Put the path of a cluster's connection file into the clipboard. Argument `id`. */
  copyConnection: 'ipcluster-ext:copy-connection'
} as const;

/** Commands that open something in the main area. */
export const MainCommandIDs = {
  /** Show when and where tasks ran. */
  openTimeline: 'ipcluster-ext:open-timeline',
  /** Show throughput, queue, engines, processors and memory over time. */
  openOverview: 'ipcluster-ext:open-overview'
} as const;

/** Commands of one engine. Arguments `id` and `engine`; the one shown in the panel when missing. */
export const EngineCommandIDs = {
  /** Interrupt what it runs. */
  interruptEngine: 'ipcluster-ext:interrupt-engine',
  /** Open a console on it. */
  openConsole: 'ipcluster-ext:open-console',
  /** Show what its process has written. */
  showEngineLog: 'ipcluster-ext:show-engine-log',
  /** Give it a new process. */
  restartEngine: 'ipcluster-ext:restart-engine',
  /** Stop it when it has ended what it runs. */
  retireEngine: 'ipcluster-ext:retire-engine',
  /** Stop it at once. */
  stopEngine: 'ipcluster-ext:stop-engine'
} as const;

/** Commands of the notebook in front of the user. */
export const NotebookCommandIDs = {
  /** Use a cluster from now on. Argument `id`; the one selected in the panel when missing. */
  useCluster: 'ipcluster-ext:use-cluster',
  /** Use whichever cluster there is. */
  useAnyCluster: 'ipcluster-ext:use-any-cluster',
  /** Run the selected cells on all engines. */
  runOnEngines: 'ipcluster-ext:run-on-engines'
} as const;

const POINTED = {
  type: 'boolean',
  description: 'Whether it is what the context menu was opened on'
};
const ID = { type: 'string', description: 'Id of the cluster; the selected one when missing' };

/** What `insertClusterCode` accepts, as JSON schema. */
export const CLUSTER_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    n: { type: 'integer', minimum: 1, description: 'Number of engines; asked for when missing' }
  }
};

/** What a command on one cluster accepts, as JSON schema. */
export const ID_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: { id: ID, pointed: POINTED }
};

/** What a command on one engine accepts, as JSON schema. */
export const ENGINE_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    id: ID,
    engine: { type: 'integer', minimum: 0, description: 'Its number; the one shown when missing' },
    pointed: POINTED
  }
};

/** What `newCluster` accepts, as JSON schema. */
export const NEW_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    profile: { type: 'string', description: 'Name of a profile; none when missing' },
    n: { type: 'integer', minimum: 1, description: 'Number of engines; asked for when missing' }
  }
};

/** What `scaleCluster` accepts, as JSON schema. */
export const SCALE_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    id: ID,
    pointed: POINTED,
    n: { type: 'integer', minimum: 0, description: 'Number of engines; asked for when missing' }
  }
};

/** What a command without arguments accepts, as JSON schema. */
export const NO_ARGUMENTS: ReadonlyJSONObject = { type: 'object', properties: {} };
