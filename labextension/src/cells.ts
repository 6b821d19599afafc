/**
 * Putting code into the notebook in front of the user.
 */
import type { Notebook } from '@jupyterlab/notebook';

/**
 * Insert a code cell with `code` below the active cell and make it the active one.
 *
 * One step for undo. Does nothing where the notebook is still loading or may not be changed.
 */
export function insertCodeBelow(notebook: Notebook, code: string): void {
  const model = notebook.model;
  if (model === null || model.readOnly) {
    return;
  }
  const index = notebook.activeCell === null ? 0 : notebook.activeCellIndex + 1;
  // Not NotebookActions.insertBelow: its cell has the type that the user's settings prefer.
  model.sharedModel.insertCell(index, {
    cell_type: 'code',
    source: code,
    metadata: { trusted: true }
  });
  notebook.activeCellIndex = index;
  notebook.deselectAll();
}
