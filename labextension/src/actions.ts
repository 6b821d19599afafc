/**
 * What a user can do in the panel: asks the server, and puts what went wrong into the model.
 *
 * JupyterLab itself is reached through {@link IDoors} only.
 */
import type { Api } from './api';
import type { EngineAction } from './contract';
import { draftOf, wishOf } from './launching';
import type { ClusterModel } from './model';
import { Refused } from './refused';
import { sortedNext, type Column } from './rows';
import { connectCode } from './text';
import type { IDraft, IQuestion, View } from './view';

/** What the panel wants of JupyterLab. */
export interface IDoors {
  /** Put code into the notebook in front of the user. Answers false where there is none. */
  readonly insert: (code: string) => boolean;
  /** Open a console on a kernel of the server. */
  readonly openConsole: (kernel: string, name: string) => Promise<void>;
  /** What the form proposes: what was chosen last, else what the settings say. */
  readonly proposal: () => Promise<Partial<IDraft>>;
  /** Keep what was chosen for the next time. */
  readonly remember: (draft: IDraft) => Promise<void>;
  /** Whether one is asked before engines lose what they hold. */
  readonly confirms: () => boolean;
  /** Have the notebook in front of the user use a cluster. Answers false where there is none. */
  readonly use: (cluster: string) => Promise<boolean>;
  /** Put a text into the clipboard. */
  readonly copy: (text: string) => void;
}

export type Asks = Pick<
  Api,
  'start' | 'stop' | 'scale' | 'restart' | 'act' | 'log' | 'engineLog' | 'console' | 'profiles'
>;

/** So long nothing more may be said before engines are added or taken away, in milliseconds. */
export const SETTLED = 400;

/** The id of the cluster that is started with JupyterLab: two windows do not start two. */
export const UNASKED_ID = 'lab';

export class Actions {
  /**
   * @param _noNotebook - What is said where code cannot be inserted.
   */
  constructor(
    private readonly _model: ClusterModel,
    private readonly _view: View,
    private readonly _api: Asks,
    private readonly _doors: IDoors,
    private readonly _noNotebook: string
  ) {}

  dispose(): void {
    this._timers.forEach(timer => {
      clearTimeout(timer);
    });
    this._timers.clear();
  }

  // ---------------------------------------------------------------- a new cluster

  /**
   * Open the form, and learn which profiles there are.
   *
   * @param then - Called with the id of the cluster, once it has been started by this form.
   */
  readonly openForm = async (then: ((cluster: string) => void) | null = null): Promise<void> => {
    this._then = then;
    await this._trying(async () => {
      const profiles = await this._api.profiles();
      const draft = draftOf(profiles, await this._doors.proposal());
      this._view.set({ profiles, draft, fault: null });
    });
  };

  readonly closeForm = (): void => {
    this._then = null;
    this._view.set({ draft: null, fault: null });
  };

  /** Show the fields that belong to what was chosen. */
  readonly refill = (draft: IDraft): void => {
    this._view.set({ draft, fault: null });
  };

  /** Start the cluster that the form would propose, under an id of its own: once is enough. */
  readonly startUnasked = async (): Promise<void> => {
    await this._trying(async () => {
      const profiles = await this._api.profiles();
      const draft = draftOf(profiles, await this._doors.proposal());
      await this._api.start({ ...wishOf(profiles, draft), id: UNASKED_ID });
    });
  };

  /** Start the cluster that the form would propose, and select it. */
  readonly startUsual = async (): Promise<void> => {
    await this._trying(async () => {
      const profiles = await this._api.profiles();
      this._view.set({ profiles });
      await this.start(draftOf(profiles, await this._doors.proposal()));
    });
  };

  /** Start so many engines as a profile has them, and select the cluster. */
  readonly startFrom = async (profile: string, n: number): Promise<void> => {
    await this._trying(async () => {
      const profiles = await this._api.profiles();
      this._view.set({ profiles });
      await this.start({ ...draftOf(profiles, { profile, n }), profile });
    });
  };

  /** Start a cluster, and select it. */
  readonly start = async (draft: IDraft): Promise<void> => {
    this._view.set({ draft, asking: true, fault: null });
    await this._trying(async () => {
      try {
        const profiles = this._view.now.profiles ?? (await this._api.profiles());
        const cluster = await this._api.start(wishOf(profiles, draft));
        this._view.set({ draft: null });
        this.select(cluster.id);
        this._then?.(cluster.id);
        this._then = null;
      } catch (error) {
        if (error instanceof Refused && error.option !== null) {
          this._view.set({ fault: { field: error.option, text: error.message } });
          return;
        }
        throw error;
      }
      await this._doors.remember(draft);
    });
    this._view.set({ asking: false });
  };

  // ---------------------------------------------------------------- clusters

  readonly select = (cluster: string): void => {
    if (cluster !== this._model.selected?.id) {
      this._model.select(cluster);
      this._view.set({ engine: null, log: null, noConsole: '', question: null, firstRow: 0 });
    }
  };

  /** Ask whether it shall be done, or do it where the user does not want to be asked. */
  readonly ask = async (question: IQuestion): Promise<void> => {
    if (this._doors.confirms()) {
      this._view.set({ question });
    } else {
      await this.confirm(question);
    }
  };

  readonly keep = (): void => {
    this._view.set({ question: null });
  };

  /** Do what was asked about. */
  readonly confirm = async ({ cluster, engine, what }: IQuestion): Promise<void> => {
    this._view.set({ question: null });
    if (engine !== null) {
      await this.act(cluster, engine, what);
    } else if (what === 'stop') {
      await this.stop(cluster);
    } else {
      await this._trying(() => this._api.restart(cluster));
    }
  };

  /** Stop a cluster at once; forget one that could not start. */
  readonly stop = async (cluster: string): Promise<void> => {
    await this._trying(() => this._api.stop(cluster));
  };

  /** Have so many engines, once nothing more is said for a moment. */
  readonly scale = (cluster: string, n: number): void => {
    if (!Number.isSafeInteger(n) || n < 0) {
      return;
    }
    clearTimeout(this._timers.get(cluster));
    this._view.set({ scaling: { ...this._view.now.scaling, [cluster]: n } });
    this._timers.set(
      cluster,
      setTimeout(() => {
        this._timers.delete(cluster);
        void this._scale(cluster, n);
      }, SETTLED)
    );
  };

  private async _scale(cluster: string, n: number): Promise<void> {
    await this._trying(() => this._api.scale(cluster, n));
    if (!this._timers.has(cluster)) {
      const scaling = Object.entries(this._view.now.scaling).filter(([id]) => id !== cluster);
      this._view.set({ scaling: Object.fromEntries(scaling) });
    }
  }

  readonly insertCode = (cluster: string): void => {
    this._model.setTrouble(this._doors.insert(connectCode(cluster)) ? '' : this._noNotebook);
  };

  /** Have the notebook in front of the user use a cluster from now on. */
  readonly use = async (cluster: string): Promise<void> => {
    await this._trying(async () => {
      if (!(await this._doors.use(cluster))) {
        throw new Error(this._noNotebook);
      }
    });
  };

  /** Put the path of a cluster's connection file into the clipboard. */
  readonly copyConnection = (cluster: string): void => {
    const known = this._model.clusters.find(each => each.id === cluster);
    if (known !== undefined) {
      this._doors.copy(known.connectionFile);
    }
  };

  // ---------------------------------------------------------------- engines

  readonly choose = (engine: number | null): void => {
    this._view.set({ engine, noConsole: '', question: null });
  };

  readonly act = async (cluster: string, engine: number, action: EngineAction): Promise<void> => {
    await this._trying(() => this._api.act(cluster, engine, action));
  };

  readonly openConsole = async (cluster: string, engine: number): Promise<void> => {
    this._view.set({ noConsole: '' });
    await this._trying(async () => {
      try {
        const { kernel, name } = await this._api.console(cluster, engine);
        await this._doors.openConsole(kernel, name);
      } catch (error) {
        if (!(error instanceof Refused) || this._view.now.engine !== engine) {
          throw error;
        }
        this._view.set({ noConsole: error.message });
      }
    });
  };

  readonly sortBy = (column: Column): void => {
    this._view.set({ sort: sortedNext(this._view.now.sort, column) });
  };

  readonly scrollTo = (firstRow: number): void => {
    this._view.set({ firstRow });
  };

  // ---------------------------------------------------------------- what is read

  /** Show the log of a cluster, or of one of its engines, as it is now. */
  readonly showLog = async (cluster: string, engine: number | null): Promise<void> => {
    await this._trying(async () => {
      const text =
        engine === null ? await this._api.log(cluster) : await this._api.engineLog(cluster, engine);
      this._view.set({ log: { cluster, engine, text } });
    });
  };

  readonly closeLog = (): void => {
    this._view.set({ log: null });
  };

  readonly dismissTrouble = (): void => {
    this._model.setTrouble('');
  };

  /** Do something that may fail; what went wrong is shown until it works again. */
  private async _trying(doing: () => Promise<void>): Promise<void> {
    try {
      await doing();
      this._model.setTrouble('');
    } catch (error) {
      this._model.setTrouble(error instanceof Error ? error.message : String(error));
    }
  }

  private readonly _timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** What is done with the cluster that the form starts. */
  private _then: ((cluster: string) => void) | null = null;
}
