/**
 * The clusters among all that runs, in JupyterLab's own list of kernels and terminals.
 */
import type { IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Actions } from './actions';
import type { ICluster } from './contract';
import { clusterLine, clusterStateText } from './figures';
import type { ClusterModel } from './model';
import { panelIcon } from './sidebar';

export class RunningClusters implements IRunningSessions.IManager {
  /**
   * @param _open - Opens the panel.
   */
  constructor(
    private readonly _model: ClusterModel,
    private readonly _actions: Actions,
    private readonly _open: () => void,
    private readonly _trans: TranslationBundle
  ) {
    this.name = this._trans.__('Parallel Engines');
    this.shutdownLabel = this._trans.__('Stop');
    this.shutdownAllLabel = this._trans.__('Stop All');
    this.shutdownAllConfirmationText = this._trans.__(
      'Stop all clusters? Their engines lose what they hold.'
    );
    this._model.changed.connect(this._onChange);
  }

  readonly name: string;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;

  get runningChanged(): ISignal<this, void> {
    return this._runningChanged;
  }

  dispose(): void {
    this._model.changed.disconnect(this._onChange);
    Signal.clearData(this);
  }

  running(): IRunningSessions.IRunningItem[] {
    return this._model.clusters.map(cluster => ({
      context: cluster.id,
      icon: () => panelIcon,
      label: () => cluster.id,
      labelTitle: () => this._line(cluster),
      detail: () => this._line(cluster),
      open: () => {
        this._actions.select(cluster.id);
        this._open();
      },
      shutdown: () => {
        void this._actions.stop(cluster.id);
      }
    }));
  }

  shutdownAll(): void {
    for (const cluster of this._model.clusters) {
      void this._actions.stop(cluster.id);
    }
  }

  refreshRunning(): void {
    // Nothing to ask for: the server tells whatever changes.
    this._runningChanged.emit();
  }

  private _line(cluster: ICluster): string {
    return cluster.state === 'ready'
      ? clusterLine(cluster, this._trans)
      : clusterStateText(cluster.state, this._trans);
  }

  private readonly _onChange = (): void => {
    const told = this._model.clusters.map(each => `${each.id} ${this._line(each)}`).join('\n');
    if (told !== this._told) {
      this._told = told;
      this._runningChanged.emit();
    }
  };

  private readonly _runningChanged = new Signal<this, void>(this);
  private _told = '';
}
