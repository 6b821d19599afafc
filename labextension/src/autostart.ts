/**
 * A cluster that is started with JupyterLab, for those who want that.
 */
import type { Actions } from './actions';
import type { ClusterModel } from './model';

/** Says that this tab has had its cluster: what the user has stopped stays so after a reload. */
const DONE_KEY = 'ipcluster-ext:started';

/**
 * Start a cluster where none runs, once in the life of a tab.
 *
 * @param isWanted - What the user's settings say.
 */
export function startUnasked(
  model: ClusterModel,
  actions: Pick<Actions, 'startUnasked'>,
  isWanted: boolean
): void {
  if (!isWanted || sessionStorage.getItem(DONE_KEY) !== null) {
    return;
  }
  const begin = (): void => {
    if (!model.isTold) {
      return;
    }
    model.changed.disconnect(begin);
    sessionStorage.setItem(DONE_KEY, 'yes');
    if (model.clusters.length === 0) {
      void actions.startUnasked();
    }
  };
  model.changed.connect(begin);
  begin();
}
