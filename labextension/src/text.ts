/**
 * The Python code that the commands write for the user. Pure text; code is not translated.
 */

/** How many engines the dialog proposes. */
export const USUAL_ENGINES = 4;

/** More engines than this no cluster is started with. */
export const MOST_ENGINES = 10_000;

const IMPORT = 'import ipcluster_ext as ipp';

/**
 * Code that starts `engines` engines on this machine and takes a view of all of them.
 *
 * @param engines - A number that {@link isEngineCount} accepts.
 */
export function clusterCode(engines: number): string {
  return lines(
    IMPORT,
    '',
    `rc = ipp.Cluster(n=${String(engines)}).start_and_connect_sync()`,
    'view = rc[:]',
    'rc.ids'
  );
}

/**
 * Code that attaches to a cluster that runs already, and takes a view of all its engines.
 *
 * @param cluster - Its id; without one it is the cluster that runs.
 */
export function connectCode(cluster = ''): string {
  const client = cluster === '' ? 'ipp.Client()' : `ipp.connect(${JSON.stringify(cluster)})`;
  return lines(IMPORT, '', `rc = ${client}`, 'view = rc[:]', 'rc.ids');
}

/** Whether `value` can be a number of engines: a whole number, at least one. */
export function isEngineCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function lines(...parts: readonly string[]): string {
  return parts.join('\n');
}

/** Code that fetches the results of tasks that were run again from the panel. */
export function fetchCode(client: string): string {
  return `rc.get_result(rc.history(client_uuid="${client}")).get()`;
}
