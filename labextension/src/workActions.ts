/**
 * What a user can do to work, whoever has submitted it: asks the server, and keeps what came of it.
 */
import type { Api } from './api';
import type { IWork, WorkAction } from './contract';
import type { ClusterModel } from './model';
import { fetchCode } from './text';
import type { View } from './view';
import { keyOf } from './works';

/** What this wants of JupyterLab; see `IDoors`. */
export interface IWorkDoors {
  readonly insert: (code: string) => boolean;
  readonly copy: (text: string) => void;
  readonly confirms: () => boolean;
}

export class WorkActions {
  /**
   * @param _noNotebook - What is said where code cannot be inserted.
   */
  constructor(
    private readonly _model: ClusterModel,
    private readonly _view: View,
    private readonly _api: Pick<Api, 'tend' | 'workError'>,
    private readonly _doors: IWorkDoors,
    private readonly _noNotebook: string
  ) {}

  /** Ask whether it shall be stopped, or stop it where the user does not want to be asked. */
  readonly ask = async (work: IWork, what: WorkAction): Promise<void> => {
    if (what !== 'retry' && this._doors.confirms()) {
      this._view.set({ workQuestion: { key: keyOf(work), what } });
    } else {
      await this.tend(work, what);
    }
  };

  readonly keep = (): void => {
    this._view.set({ workQuestion: null });
  };

  /** Cancel work, interrupt it, or run again what failed. */
  readonly tend = async (work: IWork, what: WorkAction): Promise<void> => {
    const cluster = this._model.selected?.id;
    this._view.set({ workQuestion: null });
    if (cluster === undefined) {
      return;
    }
    try {
      const tended = await this._api.tend(cluster, work, what);
      if (what === 'retry') {
        this._view.set({ retried: { ...this._view.now.retried, [keyOf(work)]: tended } });
      }
      this._model.setTrouble('');
    } catch (error) {
      this._model.setTrouble(error instanceof Error ? error.message : String(error));
    }
  };

  /** Put code into the notebook that fetches what ran again. */
  readonly insertFetch = (client: string): void => {
    this._model.setTrouble(this._doors.insert(fetchCode(client)) ? '' : this._noNotebook);
  };

  readonly copy = (text: string): void => {
    this._doors.copy(text);
  };

  /** Show the first error of work, or hide it; its traceback is asked for. */
  readonly toggleError = async (work: IWork): Promise<void> => {
    const key = keyOf(work);
    if (this._view.now.openError?.key === key) {
      this._view.set({ openError: null });
      return;
    }
    this._view.set({ openError: { key, text: work.error } });
    const cluster = this._model.selected?.id ?? '';
    try {
      const text = await this._api.workError(cluster, work);
      if (this._view.now.openError?.key === key) {
        this._view.set({ openError: { key, text } });
      }
    } catch {
      // its last line is all that is known any more, and is shown
    }
  };
}
