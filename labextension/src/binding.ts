/**
 * Which cluster a notebook uses where its code names none.
 *
 * What counts is what the notebook's kernel knows (the server writes it down for it); what stands
 * in the notebook's metadata goes where the notebook goes, and is told to each kernel that knows
 * nothing better. JupyterLab itself is reached through {@link INotebookDoor} only.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from './api';
import type { ICluster } from './contract';
import type { ClusterModel } from './model';

/** The key in a notebook's metadata. */
export const METADATA_KEY = 'ipcluster_ext';

/** What a kernel is told of its notebook's cluster. */
export interface IChoice {
  /** Empty for none. */
  readonly cluster: string;
  /** Whether it counts even where the kernel knows another one. */
  readonly replaces: boolean;
}

/** What a binding wants of its notebook. */
export interface INotebookDoor {
  /** What stands in the metadata below {@link METADATA_KEY}. */
  readonly read: () => unknown;
  /** Write it down; undefined removes it. */
  readonly write: (value: { cluster: string } | undefined) => void;
  /** The id of its kernel, null while it has none. */
  readonly kernel: () => string | null;
  /** Have its kernel know the magics and a choice, before anything that is sent to it from now on. */
  readonly prepare: (choice?: IChoice) => void;
  /** The cluster that it gets if it has none, empty for none. */
  readonly proposed: () => string;
  /** Tell the user what went wrong with a choice. */
  readonly complain: (reason: string) => void;
}

export type AsksChoice = Pick<Api, 'choice' | 'choose'>;

/** The cluster that is named in a notebook's metadata, empty if there is none. */
export function clusterIn(metadata: unknown): string {
  const named = typeof metadata === 'object' && metadata !== null && 'cluster' in metadata;
  return named && typeof metadata.cluster === 'string' ? metadata.cluster : '';
}

/** Whether a cell that is run now finds engines there, or will: it waits for a cluster that starts. */
function isUsable(cluster: ICluster): boolean {
  return cluster.state !== 'failed';
}

export class Binding implements IDisposable {
  constructor(
    private readonly _door: INotebookDoor,
    private readonly _api: AsksChoice,
    private readonly _model: ClusterModel
  ) {
    this._model.changed.connect(this._assertSoon);
  }

  /** Emitted when the cluster is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The cluster that is used, whether it runs or not; empty for whichever there is. */
  get cluster(): string {
    return this._cluster;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this._model.changed.disconnect(this._assertSoon);
    Signal.clearData(this);
  }

  /** Agree with the kernel: when the notebook has been opened, and when it gets another kernel. */
  async settle(): Promise<void> {
    this._known = undefined;
    this._set(clusterIn(this._door.read()));
    this.greet();
    const greeted = this._cluster;
    await this.look();
    if (this._cluster === '') {
      this._take(this._door.proposed());
    }
    if (this._cluster !== greeted) {
      this.greet();
    }
    await this._assert();
  }

  /** See what the kernel knows: the notebook's code may have chosen, too. */
  async look(): Promise<void> {
    const kernel = this._door.kernel();
    if (kernel === null) {
      return;
    }
    const asked = this._cluster;
    try {
      const { cluster, runs } = await this._api.choice(kernel);
      if (kernel === this._door.kernel()) {
        const isTakenBack = cluster === null && this._known !== undefined && this._known !== '';
        this._known = cluster ?? '';
        const hasChosen = this._cluster !== asked; // the user, since then
        if (!hasChosen && (runs || isTakenBack)) {
          this._take(this._known);
        }
      }
    } catch {
      // A kernel on another host, or of no notebook: only the metadata tells.
    }
  }

  /** The kernel can be reached, perhaps for the first time since it was started. */
  greet(): void {
    const cluster = clusterIn(this._door.read());
    if (cluster !== '') {
      this._prepareFor(cluster, false);
    }
  }

  /** Have the kernel know the magics, whether a cluster has been chosen or not. */
  prepare(): void {
    this._door.prepare();
  }

  /** Use a cluster from now on, with the very next cell; empty for whichever there is. */
  async use(cluster: string): Promise<void> {
    if (cluster !== '' || this._cluster !== '') {
      this._prepareFor(cluster, true);
    }
    this._take(cluster);
    await this._assert();
  }

  /**
   * Have the kernel learn in one row with the cells what they need: those that are run while the
   * server writes the choice down find it, too.
   */
  private _prepareFor(cluster: string, replaces: boolean): void {
    this._door.prepare(this._mayBeTold(cluster) ? { cluster, replaces } : undefined);
  }

  /** Whether a kernel may be told of a cluster: it is there, or none is meant. */
  private _mayBeTold(cluster: string): boolean {
    return (
      cluster === '' || this._model.clusters.some(each => each.id === cluster && isUsable(each))
    );
  }

  private _take(cluster: string): void {
    if (cluster !== clusterIn(this._door.read())) {
      this._door.write(cluster === '' ? undefined : { cluster });
    }
    this._set(cluster);
  }

  private _set(cluster: string): void {
    if (cluster !== this._cluster) {
      this._cluster = cluster;
      this._changed.emit();
    }
  }

  /** Have the kernel know the choice, once the cluster is there. */
  private async _assert(): Promise<void> {
    const [kernel, cluster] = [this._door.kernel(), this._cluster];
    const isKnown = this._known === undefined || this._known === cluster;
    if (kernel === null || isKnown || !this._mayBeTold(cluster)) {
      return;
    }
    this._known = cluster;
    try {
      await this._api.choose(kernel, cluster);
    } catch (error) {
      this._door.complain(error instanceof Error ? error.message : String(error));
    }
  }

  private readonly _assertSoon = (): void => {
    void this._assert();
  };

  private readonly _changed = new Signal<this, void>(this);
  private _cluster = '';
  /** What the kernel knows; undefined as long as nobody has asked it. */
  private _known: string | undefined = undefined;
  private _disposed = false;
}
