/**
 * What the panel can do, as commands: for the palette, menus, shortcuts and other extensions.
 */
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { DisposableSet, type IDisposable } from '@lumino/disposable';

import type { Actions } from './actions';
import {
  ENGINE_ARGUMENTS,
  EngineCommandIDs,
  ID_ARGUMENTS,
  NEW_ARGUMENTS,
  NO_ARGUMENTS,
  PanelCommandIDs,
  SCALE_ARGUMENTS
} from './commands';
import type { ICluster } from './contract';
import type { IMeantEngine, Pointing } from './pointing';
import { isEngineCount } from './text';

/** What the commands of the panel work with. */
interface IParts {
  readonly commands: CommandRegistry;
  readonly pointing: Pointing;
  readonly actions: Actions;
  /** Shows the panel. */
  readonly open: () => void;
  readonly trans: TranslationBundle;
}

/** Add the commands. They are gone when what is returned is disposed. */
export function addPanelCommands(parts: IParts): IDisposable {
  const added = new DisposableSet();
  addNewCommands(parts, added);
  addClusterCommands(parts, added);
  addEngineCommands(parts, added);
  return added;
}

function addNewCommands(parts: IParts, added: DisposableSet): void {
  const { commands, actions, open, trans } = parts;
  added.add(
    commands.addCommand(PanelCommandIDs.openPanel, {
      label: trans.__('Show Parallel Engines'),
      caption: trans.__('Show the panel with clusters, their engines and tasks'),
      describedBy: { args: NO_ARGUMENTS },
      execute: open
    })
  );
  added.add(
    commands.addCommand(PanelCommandIDs.newCluster, {
      label: trans.__('Start New Cluster…'),
      caption: trans.__('Start engines that notebooks can connect to'),
      describedBy: { args: NEW_ARGUMENTS },
      execute: async args => {
        const { n, profile } = args;
        open();
        if (isEngineCount(n)) {
          await actions.startFrom(typeof profile === 'string' ? profile : '', n);
        } else {
          await actions.openForm();
        }
      }
    })
  );
}

function addClusterCommands(parts: IParts, added: DisposableSet): void {
  const { actions, open, trans } = parts;
  const ask = async (what: 'restart' | 'stop', cluster: ICluster): Promise<void> => {
    open(); // what is asked about is seen where one is asked
    actions.select(cluster.id);
    await actions.ask({ cluster: cluster.id, engine: null, what });
  };
  const add = (
    id: string,
    [label, caption]: readonly [string, string],
    execute: (cluster: ICluster, args: ReadonlyPartialJSONObject) => unknown,
    schema = ID_ARGUMENTS
  ): void => {
    added.add(
      parts.commands.addCommand(id, {
        label,
        caption,
        describedBy: { args: schema },
        isEnabled: args => parts.pointing.cluster(args) !== null,
        execute: async args => {
          const cluster = parts.pointing.cluster(args);
          await (cluster === null ? null : execute(cluster, args));
        }
      })
    );
  };

  add(
    PanelCommandIDs.scaleCluster,
    [
      trans.__('Change Number of Engines…'),
      trans.__('Have more engines, or fewer; busy ones finish first')
    ],
    async (cluster, args) => {
      const n = args['n'] ?? (await askEngines(cluster, trans));
      if (typeof n === 'number') {
        actions.scale(cluster.id, n);
      }
    },
    SCALE_ARGUMENTS
  );
  add(
    PanelCommandIDs.restartCluster,
    [
      trans.__('Restart All Engines'),
      trans.__('Give all engines new processes; they lose what they hold')
    ],
    cluster => ask('restart', cluster)
  );
  add(
    PanelCommandIDs.stopCluster,
    [trans.__('Stop Cluster'), trans.__('Stop a cluster; its engines lose what they hold')],
    cluster => ask('stop', cluster)
  );
  add(
    PanelCommandIDs.showLog,
    [
      trans.__('Show Log of Cluster'),
      trans.__('Show what the processes of a cluster have written')
    ],
    async cluster => {
      open();
      actions.select(cluster.id);
      await actions.showLog(cluster.id, null);
    }
  );
  add(
    PanelCommandIDs.copyConnection,
    [
      trans.__('Copy Path of Connection File'),
      trans.__('Copy the path of the file with which clients find a cluster')
    ],
    cluster => {
      actions.copyConnection(cluster.id);
    }
  );
}

function addEngineCommands(parts: IParts, added: DisposableSet): void {
  const { actions, open, trans } = parts;
  const show = ({ engine }: IMeantEngine): void => {
    open();
    actions.choose(engine);
  };
  const add = (id: string, label: string, execute: (meant: IMeantEngine) => unknown): void => {
    added.add(
      parts.commands.addCommand(id, {
        label,
        describedBy: { args: ENGINE_ARGUMENTS },
        isEnabled: args => parts.pointing.engine(args) !== null,
        execute: async args => {
          const meant = parts.pointing.engine(args);
          await (meant === null ? null : execute(meant));
        }
      })
    );
  };
  const ask = (what: 'restart' | 'stop') => async (meant: IMeantEngine) => {
    show(meant);
    await actions.ask({ ...meant, what });
  };

  add(EngineCommandIDs.interruptEngine, trans.__('Interrupt Engine'), meant =>
    actions.act(meant.cluster, meant.engine, 'interrupt')
  );
  add(EngineCommandIDs.openConsole, trans.__('Open Console on Engine'), meant =>
    actions.openConsole(meant.cluster, meant.engine)
  );
  add(EngineCommandIDs.showEngineLog, trans.__('Show Log of Engine'), async meant => {
    show(meant);
    await actions.showLog(meant.cluster, meant.engine);
  });
  add(EngineCommandIDs.restartEngine, trans.__('Restart Engine'), ask('restart'));
  add(EngineCommandIDs.retireEngine, trans.__('Stop Engine When Idle'), meant =>
    actions.act(meant.cluster, meant.engine, 'retire')
  );
  add(EngineCommandIDs.stopEngine, trans.__('Stop Engine'), ask('stop'));
}

/** Ask how many engines there shall be. Answers null where the user cancels. */
async function askEngines(cluster: ICluster, trans: TranslationBundle): Promise<number | null> {
  const { value } = await InputDialog.getNumber({
    title: trans.__('Engines of %1', cluster.id),
    label: trans.__('Number of engines'),
    value: cluster.wanted
  });
  return value;
}
