/**
 * What a command is about: its arguments name it, the context menu was opened on it, or it is what
 * is shown in the panel.
 */
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { ICluster } from './contract';
import type { ClusterModel } from './model';
import type { View } from './view';

/** Whatever the context menu was opened on, or in, that passes a test. */
export type Hit = (test: (node: HTMLElement) => boolean) => HTMLElement | undefined;

/** One engine of one cluster. */
export interface IMeantEngine {
  readonly cluster: string;
  readonly engine: number;
}

export class Pointing {
  constructor(
    private readonly _model: ClusterModel,
    private readonly _view: View,
    private readonly _hit: Hit
  ) {}

  /** The cluster that is meant, null if there is none. */
  readonly cluster = (args: ReadonlyPartialJSONObject): ICluster | null => {
    const id = typeof args['id'] === 'string' ? args['id'] : this._pointed('cluster', args);
    return id === undefined
      ? this._model.selected
      : (this._model.clusters.find(cluster => cluster.id === id) ?? null);
  };

  /** The engine that is meant, null if there is none. Context menus know of those in sight only. */
  readonly engine = (args: ReadonlyPartialJSONObject): IMeantEngine | null => {
    const cluster = this.cluster({ id: args['id'] })?.id;
    const engine = Number(
      args['engine'] ?? this._pointed('engine', args) ?? this._view.now.engine ?? NaN
    );
    const isMeant = cluster !== undefined && Number.isSafeInteger(engine);
    return isMeant ? { cluster, engine } : null;
  };

  private _pointed(
    what: 'cluster' | 'engine',
    args: ReadonlyPartialJSONObject
  ): string | undefined {
    if (args['pointed'] !== true) {
      return undefined;
    }
    return this._hit(node => node.dataset[what] !== undefined)?.dataset[what];
  }
}
