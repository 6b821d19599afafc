/**
 * The panel, its commands, its line in the status bar and its list of clusters: wiring only.
 */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Actions, type IDoors } from './actions';
import { Api } from './api';
import { insertCodeBelow } from './cells';
import { PanelCommandIDs } from './commands';
import { Feed } from './feed';
import { ClusterModel } from './model';
import { USUAL_OPTIONS, readDraft, readOptions, type IOptions } from './options';
import { addPanelCommands } from './panelCommands';
import { RunningClusters } from './running';
import { PANEL_ID, PANEL_RANK, Sidebar } from './sidebar';
import { StatusItem } from './statusItem';
import { View } from './view';

const PLUGIN_ID = 'ipcluster-ext:panel';
/** Where what was chosen last is kept. */
const CHOSEN_KEY = 'ipcluster-ext:new-cluster';

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'A panel that starts clusters and shows their engines and tasks.',
  autoStart: true,
  optional: [
    ICommandPalette,
    ILabShell,
    ILayoutRestorer,
    INotebookTracker,
    IRunningSessionManagers,
    ISettingRegistry,
    IStateDB,
    IStatusBar,
    ITranslator
  ],
  activate
};

function activate(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  labShell: ILabShell | null,
  restorer: ILayoutRestorer | null,
  notebooks: INotebookTracker | null,
  managers: IRunningSessionManagers | null,
  registry: ISettingRegistry | null,
  stateDB: IStateDB | null,
  statusBar: IStatusBar | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('ipcluster_ext');
  const { serverSettings } = app.serviceManager;
  let options: IOptions = USUAL_OPTIONS;

  const model = new ClusterModel();
  const view = new View();
  const doors: IDoors = {
    insert: code => {
      const notebook = notebooks?.currentWidget ?? null;
      if (notebook?.isVisible !== true) {
        return false;
      }
      insertCodeBelow(notebook.content, code);
      return true;
    },
    openConsole: async (kernel, name) => {
      await app.serviceManager.kernels.refreshRunning();
      await app.commands.execute('console:create', {
        kernelPreference: { id: kernel },
        name,
        activate: true
      });
    },
    proposal: async () => ({
      ...options.proposal,
      ...readDraft(await stateDB?.fetch(CHOSEN_KEY))
    }),
    remember: async ({ profile, n }) => {
      await stateDB?.save(CHOSEN_KEY, { profile, n });
    },
    confirms: () => options.confirms
  };
  const noNotebook = trans.__('Open a notebook first: the code is put below its active cell.');
  const actions = new Actions(model, view, new Api(serverSettings), doors, noNotebook);

  const feed = new Feed(model, serverSettings, options.interval);
  const sidebar = new Sidebar(model, view, actions, trans);
  app.shell.add(sidebar, 'left', { rank: PANEL_RANK, type: 'Parallel Engines' });
  restorer?.add(sidebar, PANEL_ID);
  feed.isAttentive = sidebar.isVisible;
  sidebar.seen.connect((_, isSeen) => {
    feed.isAttentive = isSeen;
  });
  const open = (): void => {
    (labShell ?? app.shell).activateById(PANEL_ID);
  };

  const commands = addPanelCommands(app.commands, model, actions, open, trans);
  const category = trans.__('Parallel engines');
  for (const command of Object.values(PanelCommandIDs)) {
    palette?.addItem({ command, category });
  }

  const statusItem = new StatusItem(model, open, trans);
  statusBar?.registerStatusItem(PLUGIN_ID, {
    item: statusItem,
    align: 'left',
    rank: 50,
    isActive: () => statusItem.isActive,
    activeStateChanged: statusItem.activeChanged
  });

  const running = new RunningClusters(model, actions, open, trans);
  managers?.add(running);

  if (registry !== null) {
    registry.load(PLUGIN_ID).then(
      settings => {
        const update = (): void => {
          options = readOptions(settings.composite);
          feed.interval = options.interval;
        };
        settings.changed.connect(update);
        update();
      },
      (reason: unknown) => {
        console.warn('ipcluster-ext: everything is as usual, the settings cannot be read', reason);
      }
    );
  }

  sidebar.disposed.connect(() => {
    feed.dispose();
    actions.dispose();
    commands.dispose();
    running.dispose();
    statusItem.dispose();
  });
}
