/**
 * The Python code that the commands write for the user. Pure text; code is not translated.
 */

/** How many engines the dialog proposes. */
export const USUAL_ENGINES = 4;

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

/** Code that attaches to the cluster that runs already, and takes a view of all its engines. */
export function connectCode(): string {
  return lines(IMPORT, '', 'rc = ipp.Client()', 'view = rc[:]', 'rc.ids');
}

/** Whether `value` can be a number of engines: a whole number, at least one. */
export function isEngineCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function lines(...parts: readonly string[]): string {
  return parts.join('\n');
}
