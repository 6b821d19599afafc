/**
 * The commands that put code into the notebook in front of the user.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { insertCodeBelow } from './cells';
import { CLUSTER_ARGUMENTS, CodeCommandIDs, ID_ARGUMENTS } from './commands';
import { USUAL_ENGINES, clusterCode, connectCode, isEngineCount } from './text';

export const codePlugin: JupyterFrontEndPlugin<void> = {
  id: 'ipcluster-ext:plugin',
  description: 'Commands that write the code to start engines and to reach them.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  palette: ICommandPalette | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('ipcluster_ext');
  const { commands, shell } = app;
  const isEnabled = (): boolean =>
    notebooks.currentWidget !== null && notebooks.currentWidget === shell.currentWidget;
  const insert = (code: string): void => {
    if (notebooks.currentWidget !== null) {
      insertCodeBelow(notebooks.currentWidget.content, code);
    }
  };

  /** The cluster that the context menu was opened on, empty if it was something else. */
  const pointed = (args: ReadonlyPartialJSONObject): string =>
    (args['pointed'] === true
      ? app.contextMenuHitTest(node => node.dataset['cluster'] !== undefined)
      : undefined
    )?.dataset['cluster'] ?? '';

  commands.addCommand(CodeCommandIDs.insertClusterCode, {
    label: trans.__('Insert Code That Starts Engines…'),
    caption: trans.__('Insert a cell below that starts engines and connects to them'),
    describedBy: { args: CLUSTER_ARGUMENTS },
    isEnabled,
    execute: async args => {
      const engines = args['n'] ?? (await askEngines(trans));
      if (isEngineCount(engines)) {
        insert(clusterCode(engines));
      } else if (engines !== null) {
        await showErrorMessage(
          trans.__('No Code Inserted'),
          trans.__('The number of engines has to be a whole number, at least 1.')
        );
      }
    }
  });
  commands.addCommand(CodeCommandIDs.insertConnectCode, {
    label: trans.__('Insert Code That Connects to Running Engines'),
    caption: trans.__('Insert a cell below that connects to the cluster that runs already'),
    describedBy: { args: ID_ARGUMENTS },
    isEnabled,
    execute: args => {
      insert(connectCode(typeof args['id'] === 'string' ? args['id'] : pointed(args)));
    }
  });

  const category = trans.__('Parallel engines');
  for (const command of Object.values(CodeCommandIDs)) {
    palette?.addItem({ command, category });
  }
}

/** Ask how many engines to start. Answers null where the user cancels. */
async function askEngines(trans: TranslationBundle): Promise<number | null> {
  const { value } = await InputDialog.getNumber({
    title: trans.__('Start Engines'),
    label: trans.__('Number of engines'),
    value: USUAL_ENGINES,
    okLabel: trans.__('Insert Code')
  });
  return value;
}
