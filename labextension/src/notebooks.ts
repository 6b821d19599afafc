/**
 * What bindings have to know of notebooks and kernels.
 */
import type { INotebookModel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

/** Registers the magics; `%load_ext` says nothing when it does so again. */
const LOAD = `from ipcluster_ext.magics.extension import load_ipython_extension as _load
_load(get_ipython())
del _load`;

/** Have a kernel know the magics. Nothing is shown, also where it cannot. */
export function loadMagics(kernel: Kernel.IKernelConnection): void {
  const asked = kernel.requestExecute({
    code: LOAD,
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false
  });
  asked.done.catch(() => {
    // The kernel is gone, or comes back: then it is asked again.
  });
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
