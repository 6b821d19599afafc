/**
 * Putting code into the notebook in front of the user, and changing its cells.
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

/** Have the selected code cells run on engines; those that begin with a cell magic stay. */
export function onEngines(notebook: Notebook): void {
  for (const cell of notebook.widgets.filter(each => notebook.isSelectedOrActive(each))) {
    const source = cell.model.sharedModel.getSource();
    if (cell.model.type === 'code' && !source.trimStart().startsWith('%%')) {
      cell.model.sharedModel.setSource(`%%px\n${source}`);
    }
  }
}
