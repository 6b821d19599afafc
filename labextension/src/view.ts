/**
 * What a user has opened, chosen and sorted in the panel: nothing of it is known to the server.
 *
 * No DOM, no timer, no request.
 */
import { Signal, type ISignal } from '@lumino/signaling';

import type { IProfiles, ITended, OptionValue, WorkAction } from './contract';
import type { ISort } from './rows';

/** What is filled in for a new cluster; an empty profile is none. */
export interface IDraft {
  readonly profile: string;
  readonly n: number;
  readonly launcher: string;
  /** What the launcher is told otherwise than the profile does. */
  readonly options: Readonly<Record<string, OptionValue>>;
}

/** What cannot be as it was filled in; an empty field is all of it. */
export interface IFault {
  readonly field: string;
  readonly text: string;
}

/** What is to be confirmed before it is done; `engine` is null if it is done to all. */
export interface IQuestion {
  readonly cluster: string;
  readonly engine: number | null;
  readonly what: 'restart' | 'stop';
}

/** What is to be confirmed before it is done to work; `key` tells which (`works.keyOf`). */
export interface IWorkQuestion {
  readonly key: string;
  readonly what: WorkAction;
}

/** A log that is shown; `engine` is null for the log of the cluster itself. */
export interface ILogShown {
  readonly cluster: string;
  readonly engine: number | null;
  readonly text: string;
}

export interface IView {
  /** The form for a new cluster, null while it is closed. */
  readonly draft: IDraft | null;
  /** Null until they have come. */
  readonly profiles: IProfiles | null;
  /** Whether a new cluster has been asked for, and the server has not answered. */
  readonly asking: boolean;
  readonly fault: IFault | null;
  readonly question: IQuestion | null;
  readonly log: ILogShown | null;
  /** Why no console can be opened on the engine whose details are shown; empty if one can. */
  readonly noConsole: string;
  /** How many engines were asked for, by cluster, as long as the server has not answered. */
  readonly scaling: Readonly<Record<string, number>>;
  /** The engine whose details are shown. */
  readonly engine: number | null;
  readonly sort: ISort;
  readonly workQuestion: IWorkQuestion | null;
  /** The work whose error is shown, and that error; empty until it has come. */
  readonly openError: { readonly key: string; readonly text: string } | null;
  /** What came of running again what failed, by the key of the work. */
  readonly retried: Readonly<Record<string, ITended>>;
  /** The uppermost row of the table of engines that is in sight. */
  readonly firstRow: number;
}

const CLOSED: IView = {
  draft: null,
  profiles: null,
  asking: false,
  fault: null,
  question: null,
  log: null,
  noConsole: '',
  scaling: {},
  engine: null,
  sort: { by: 'id', down: false },
  workQuestion: null,
  openError: null,
  retried: {},
  firstRow: 0
};

export class View {
  /** Emitted whenever something has been opened, chosen or sorted. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get now(): IView {
    return this._now;
  }

  /** Change some of it. */
  set(part: Partial<IView>): void {
    const next = { ...this._now, ...part };
    const keys = Object.keys(part) as (keyof IView)[];
    if (keys.some(key => next[key] !== this._now[key])) {
      this._now = next;
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _now = CLOSED;
}
