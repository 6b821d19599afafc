/**
 * What a user can do in the panel: asks the server, and puts what went wrong into the model.
 *
 * JupyterLab itself is reached through {@link IDoors} only.
 */
import type { Api } from './api';
import type { EngineAction } from './contract';
import type { ClusterModel } from './model';
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
}

export type Asks = Pick<
  Api,
  'start' | 'stop' | 'scale' | 'restart' | 'act' | 'log' | 'engineLog' | 'console' | 'profiles'
>;

/** So long nothing more may be said before engines are added or taken away, in milliseconds. */
export const SETTLED = 400;

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

  /** Open the form, and learn which profiles there are. */
  readonly openForm = async (): Promise<void> => {
    await this._trying(async () => {
      const profiles = await this._api.profiles();
      const proposal = await this._doors.proposal();
      const usable = profiles.profiles.find(
        each => each.name === proposal.profile && each.error === ''
      );
      const n = proposal.n ?? usable?.n ?? profiles.processors;
      this._view.set({ profiles, draft: { profile: usable?.name ?? '', n } });
    });
  };

  readonly closeForm = (): void => {
    this._view.set({ draft: null });
  };

  /** Start a cluster, and select it. */
  readonly start = async (draft: IDraft): Promise<void> => {
    this._view.set({ draft, asking: true });
    await this._trying(async () => {
      const wish = { n: draft.n, ...(draft.profile === '' ? {} : { profile: draft.profile }) };
      const cluster = await this._api.start(wish);
      this._view.set({ draft: null });
      this.select(cluster.id);
      await this._doors.remember(draft);
    });
    this._view.set({ asking: false });
  };

  // ---------------------------------------------------------------- clusters

  readonly select = (cluster: string): void => {
    if (cluster !== this._model.selected?.id) {
      this._model.select(cluster);
      this._view.set({ engine: null, log: null, question: null, firstRow: 0 });
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

  // ---------------------------------------------------------------- engines

  readonly choose = (engine: number | null): void => {
    this._view.set({ engine, question: null });
  };

  readonly act = async (cluster: string, engine: number, action: EngineAction): Promise<void> => {
    await this._trying(() => this._api.act(cluster, engine, action));
  };

  readonly openConsole = async (cluster: string, engine: number): Promise<void> => {
    await this._trying(async () => {
      const { kernel, name } = await this._api.console(cluster, engine);
      await this._doors.openConsole(kernel, name);
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
}
