/**
 * Notebooks and their clusters: the drop-down in toolbars, commands, and what new notebooks get.
 * Wiring only.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry, Notification } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

import { Binding, METADATA_KEY, type INotebookDoor } from './binding';
import { onEngines } from './cells';
import { Chooser } from './chooser';
import { ID_ARGUMENTS, NO_ARGUMENTS, NotebookCommandIDs } from './commands';
import { isBlank, mayChoose, prepareKernel } from './notebooks';
import { IClusters } from './tokens';

export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'ipcluster-ext:notebook',
  description: 'Lets each notebook use a cluster, and shows in its toolbar which.',
  autoStart: true,
  requires: [INotebookTracker, IClusters],
  optional: [ICommandPalette, IToolbarWidgetRegistry, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  clusters: IClusters,
  palette: ICommandPalette | null,
  toolbars: IToolbarWidgetRegistry | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('ipcluster_ext');
  const bindings = new WeakMap<NotebookPanel, Binding>();
  const bindingOf = (panel: NotebookPanel): Binding => {
    const known = bindings.get(panel);
    if (known !== undefined) {
      return known;
    }
    const binding = bind(panel, clusters, app);
    bindings.set(panel, binding);
    return binding;
  };

  notebooks.forEach(bindingOf);
  notebooks.widgetAdded.connect((_, panel) => {
    bindingOf(panel);
  });
  NotebookActions.executed.connect((_, { notebook, cell }) => {
    const panel = notebooks.find(each => each.content === notebook);
    if (panel !== undefined && mayChoose(cell.model.sharedModel.getSource())) {
      void bindingOf(panel).look();
    }
  });
  toolbars?.addFactory<NotebookPanel>(
    'Notebook',
    'ipcluster-ext',
    panel =>
      new Chooser(
        clusters.model,
        bindingOf(panel),
        binding => {
          clusters.open();
          void clusters.actions.openForm(cluster => {
            void binding.use(cluster);
          });
        },
        trans
      )
  );
  addCommands(app, notebooks, clusters, bindingOf, trans);
  for (const command of Object.values(NotebookCommandIDs)) {
    palette?.addItem({ command, category: trans.__('Parallel engines') });
  }
}

/** Join a notebook, its kernels and its cluster. */
function bind(panel: NotebookPanel, clusters: IClusters, app: JupyterFrontEnd): Binding {
  const { context, sessionContext } = panel;
  const door: INotebookDoor = {
    read: () => {
      const metadata: unknown = panel.model?.getMetadata(METADATA_KEY);
      return metadata;
    },
    write: value => {
      if (value === undefined) {
        panel.model?.deleteMetadata(METADATA_KEY);
      } else {
        panel.model?.setMetadata(METADATA_KEY, value);
      }
    },
    kernel: () => sessionContext.session?.kernel?.id ?? null,
    prepare: choice => {
      const kernel = sessionContext.session?.kernel ?? null;
      const specs = app.serviceManager.kernelspecs.specs?.kernelspecs ?? {};
      if (kernel !== null && specs[kernel.name]?.language === 'python') {
        // What a cell chooses that runs right now comes later than this choice.
        const isLate = choice?.replaces === true && kernel.status !== 'idle';
        prepareKernel(kernel, isLate ? undefined : choice);
      }
    },
    proposed: () =>
      clusters.options().connects && isBlank(panel.model)
        ? (clusters.model.selected?.id ?? '')
        : '',
    complain: reason => {
      Notification.error(reason);
    }
  };
  const binding = new Binding(door, clusters.api, clusters.model);
  const settle = (): void => {
    if (context.isReady && !panel.isDisposed) {
      void binding.settle();
    }
  };
  sessionContext.kernelChanged.connect(settle);
  sessionContext.connectionStatusChanged.connect((_, status) => {
    if (status === 'connected') {
      binding.greet();
    }
  });
  void context.ready.then(settle);
  panel.disposed.connect(() => {
    binding.dispose();
  });
  return binding;
}

function addCommands(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  clusters: IClusters,
  bindingOf: (panel: NotebookPanel) => Binding,
  trans: TranslationBundle
): void {
  const { commands, shell } = app;
  const current = (): NotebookPanel | null =>
    notebooks.currentWidget === shell.currentWidget ? notebooks.currentWidget : null;
  const isEnabled = (): boolean => current() !== null;

  commands.addCommand(NotebookCommandIDs.useCluster, {
    label: trans.__('Use Cluster in This Notebook'),
    caption: trans.__('Have %%%%px in this notebook use a cluster, also after a restart'),
    describedBy: { args: ID_ARGUMENTS },
    isEnabled: args => current() !== null && clusters.pointing.cluster(args) !== null,
    execute: async args => {
      const panel = current();
      const cluster = clusters.pointing.cluster(args);
      if (panel === null || cluster === null) {
        return false;
      }
      await bindingOf(panel).use(cluster.id);
      return true;
    }
  });
  commands.addCommand(NotebookCommandIDs.useAnyCluster, {
    label: trans.__('Use Whichever Cluster There Is in This Notebook'),
    describedBy: { args: NO_ARGUMENTS },
    isEnabled,
    execute: async () => {
      const panel = current();
      await (panel === null ? null : bindingOf(panel).use(''));
    }
  });
  commands.addCommand(NotebookCommandIDs.runOnEngines, {
    label: trans.__('Run Selected Cells on Engines'),
    caption: trans.__('Begin the selected cells with %%%%px, and run them'),
    describedBy: { args: NO_ARGUMENTS },
    isEnabled,
    execute: async () => {
      const panel = current();
      if (panel !== null) {
        onEngines(panel.content);
        bindingOf(panel).prepare();
        await NotebookActions.run(panel.content, panel.sessionContext);
      }
    }
  });
}
