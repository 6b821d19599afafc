/**
 * What bindings have to know of notebooks and kernels.
 */
import type { INotebookModel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import type { IChoice } from './binding';

/** Have a kernel know the magics and a choice. Nothing is shown, also where it cannot. */
export function prepareKernel(kernel: Kernel.IKernelConnection, choice?: IChoice): void {
  const asked = kernel.requestExecute({
    code: preparation(choice),
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false
  });
  asked.done.catch(() => {
    // The kernel is gone, or comes back: then it is asked again.
  });
}

/** Code that registers the magics, again if they are, and says which cluster they mean. */
export function preparation(choice?: IChoice): string {
  const names = choice === undefined ? '' : `, ${JSON.stringify(choice.cluster)}`;
  const replaces = choice?.replaces === true ? ', replaces=True' : '';
  return `from ipcluster_ext.magics.extension import prepare_notebook as _prepare
_prepare(get_ipython()${names}${replaces})
del _prepare`;
}

/** Whether nothing has been written into a notebook. */
export function isBlank(model: INotebookModel | null): boolean {
  return (
    model !== null && [...model.cells].every(cell => cell.sharedModel.getSource().trim() === '')
  );
}

/** Whether code may choose a cluster for its notebook. */
export function mayChoose(code: string): boolean {
  return /use_cluster|--cluster/.test(code);
}
