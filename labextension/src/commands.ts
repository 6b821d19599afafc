/**
 * The commands other extensions, menus and shortcuts may run: their ids, and what they accept.
 */
import type { ReadonlyJSONObject } from '@lumino/coreutils';

export const CommandIDs = {
  /** Insert code that starts engines. Argument `n`: how many; the user is asked where it is missing. */
  insertClusterCode: 'ipcluster-ext:insert-cluster-code',
  /** Insert code that attaches to a running cluster. */
  insertConnectCode: 'ipcluster-ext:insert-connect-code'
} as const;

/** What `insertClusterCode` accepts, as JSON schema. */
export const CLUSTER_ARGUMENTS: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    n: { type: 'integer', minimum: 1, description: 'Number of engines; asked for when missing' }
  }
};

/** What a command without arguments accepts, as JSON schema. */
export const NO_ARGUMENTS: ReadonlyJSONObject = { type: 'object', properties: {} };
