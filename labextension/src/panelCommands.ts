/**
 * What the panel can do, as commands: for the palette, shortcuts and other extensions.
 */
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { DisposableSet, type IDisposable } from '@lumino/disposable';

import type { Actions } from './actions';
import {
  ID_ARGUMENTS,
  NEW_ARGUMENTS,
  NO_ARGUMENTS,
  PanelCommandIDs,
  SCALE_ARGUMENTS
} from './commands';
import type { ICluster } from './contract';
import type { ClusterModel } from './model';
import { isEngineCount } from './text';

/** Add the commands. They are gone when what is returned is disposed. */
export function addPanelCommands(
  commands: CommandRegistry,
  model: ClusterModel,
  actions: Actions,
  open: () => void,
  trans: TranslationBundle
): IDisposable {
  const meant = (args: ReadonlyPartialJSONObject): ICluster | null =>
    typeof args['id'] === 'string'
      ? (model.clusters.find(cluster => cluster.id === args['id']) ?? null)
      : model.selected;
  const isEnabled = (args: ReadonlyPartialJSONObject): boolean => meant(args) !== null;
  const added = new DisposableSet();

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
          await actions.start({ n, profile: typeof profile === 'string' ? profile : '' });
        } else {
          await actions.openForm();
        }
      }
    })
  );
  added.add(
    commands.addCommand(PanelCommandIDs.scaleCluster, {
      label: trans.__('Change Number of Engines…'),
      caption: trans.__('Have more engines, or fewer; busy ones finish first'),
      describedBy: { args: SCALE_ARGUMENTS },
      isEnabled,
      execute: async args => {
        const cluster = meant(args);
        if (cluster !== null) {
          const n = args['n'] ?? (await askEngines(cluster, trans));
          if (typeof n === 'number') {
            actions.scale(cluster.id, n);
          }
        }
      }
    })
  );
  added.add(
    commands.addCommand(PanelCommandIDs.restartCluster, {
      label: trans.__('Restart All Engines'),
      caption: trans.__('Give all engines new processes; they lose what they hold'),
      describedBy: { args: ID_ARGUMENTS },
      isEnabled,
      execute: async args => {
        await askInPanel('restart', meant(args));
      }
    })
  );
  added.add(
    commands.addCommand(PanelCommandIDs.stopCluster, {
      label: trans.__('Stop Cluster'),
      caption: trans.__('Stop a cluster; its engines lose what they hold'),
      describedBy: { args: ID_ARGUMENTS },
      isEnabled,
      execute: async args => {
        await askInPanel('stop', meant(args));
      }
    })
  );

  /** Ask where the cluster is seen, so that one sees what is asked about. */
  async function askInPanel(what: 'restart' | 'stop', cluster: ICluster | null): Promise<void> {
    if (cluster !== null) {
      open();
      await actions.ask({ cluster: cluster.id, engine: null, what });
    }
  }
  return added;
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
