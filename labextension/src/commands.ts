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
  stopCluster: 'ipcluster-ext:stop-cluster'
} as const;

const ID = { type: 'string', description: 'Id of the cluster; the selected one when missing' };

/** What `insertClusterCode` accepts, as JSON schema. */
export const CLUSTER_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    n: { type: 'integer', minimum: 1, description: 'Number of engines; asked for when missing' }
  }
};

/** What a command on one cluster accepts, as JSON schema. */
export const ID_ARGUMENTS: ReadonlyJSONObject = { type: 'object', properties: { id: ID } };

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
    n: { type: 'integer', minimum: 0, description: 'Number of engines; asked for when missing' }
  }
};

/** What a command without arguments accepts, as JSON schema. */
export const NO_ARGUMENTS: ReadonlyJSONObject = { type: 'object', properties: {} };
