/**
 * The panel, its commands, its line in the status bar and its list of clusters: wiring only.
 */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Clipboard, ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Actions, type IDoors } from './actions';
import { Api } from './api';
import { insertCodeBelow } from './cells';
import { startUnasked } from './autostart';
import { EngineCommandIDs, MainCommandIDs, NotebookCommandIDs, PanelCommandIDs } from './commands';
import { Feed } from './feed';
import { rememberedOf } from './launching';
import { ClusterModel } from './model';
import { USUAL_OPTIONS, readDraft, readOptions, type IOptions } from './options';
import { addPanelCommands } from './panelCommands';
import { Pointing } from './pointing';
import { RunningClusters } from './running';
import { PANEL_ID, PANEL_RANK, Sidebar } from './sidebar';
import { StatusItem } from './statusItem';
import { IClusters } from './tokens';
import { View } from './view';
import { WorkActions } from './workActions';

const PLUGIN_ID = 'ipcluster-ext:panel';
/** Where what was chosen last is kept. */
const CHOSEN_KEY = 'ipcluster-ext:new-cluster';

export const panelPlugin: JupyterFrontEndPlugin<IClusters> = {
  id: PLUGIN_ID,
  description: 'A panel that starts clusters and shows their engines and tasks.',
  autoStart: true,
  provides: IClusters,
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
  settingRegistry: ISettingRegistry | null,
  stateDB: IStateDB | null,
  statusBar: IStatusBar | null,
  translator: ITranslator | null
): IClusters {
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
    remember: async draft => {
      const { profile, n, launcher, options } = rememberedOf(draft);
      await stateDB?.save(CHOSEN_KEY, { profile, n, launcher, options: { ...options } });
    },
    confirms: () => options.confirms,
    use: async cluster =>
      (await app.commands.execute(NotebookCommandIDs.useCluster, { id: cluster })) === true,
    copy: text => {
      Clipboard.copyToSystem(text);
    }
  };
  const noNotebook = trans.__('Open a notebook first: the code is put below its active cell.');
  const api = new Api(serverSettings);
  const actions = new Actions(model, view, api, doors, noNotebook);

  const feed = new Feed(model, serverSettings, options.interval);
  const works = new WorkActions(model, view, api, doors, noNotebook);
  const sidebar = new Sidebar(model, view, { actions, works }, trans, what => {
    const { openTimeline, openOverview } = MainCommandIDs;
    void app.commands.execute(what === 'timeline' ? openTimeline : openOverview);
  });
  app.shell.add(sidebar, 'left', { rank: PANEL_RANK, type: 'Parallel Engines' });
  restorer?.add(sidebar, PANEL_ID);
  feed.isAttentive = sidebar.isVisible;
  sidebar.seen.connect((_, isSeen) => {
    feed.isAttentive = isSeen;
  });
  const open = (): void => {
    (labShell ?? app.shell).activateById(PANEL_ID);
  };

  const pointing = new Pointing(model, view, test => app.contextMenuHitTest(test));
  const commands = addPanelCommands({ commands: app.commands, pointing, actions, open, trans });
  const category = trans.__('Parallel engines');
  for (const command of Object.values({ ...PanelCommandIDs, ...EngineCommandIDs })) {
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

  if (settingRegistry !== null) {
    settingRegistry.load(PLUGIN_ID).then(
      settings => {
        const update = (): void => {
          options = readOptions(settings.composite);
          feed.interval = options.interval;
        };
        settings.changed.connect(update);
        update();
        startUnasked(model, actions, options.starts);
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
  return { model, view, actions, api, feed, pointing, options: () => options, open };
}
