/**
 * The WebSocket that brings what changes into the model. After a break it comes back by itself,
 * and everything is told once more. Nothing asks again and again.
 */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import { ROOT } from './api';
import type { ISelect } from './contract';
import { isToBrowser } from './guards';
import type { ClusterModel } from './model';

/** Pauses before it is tried again, in milliseconds: the first ones are short. */
const PAUSES = [250, 500, 1000, 2000, 5000, 10000] as const;

/** What somebody looks at. */
export type Attention = 'nothing' | 'status' | 'spans';

export class Feed implements IDisposable {
  /**
   * @param interval - How often there may be news at most, in seconds.
   */
  constructor(
    private readonly _model: ClusterModel,
    private readonly _settings: ServerConnection.ISettings,
    private _interval: number
  ) {
    this._model.changed.connect(this._onChange);
    this._open();
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** How often there may be news at most, in seconds. */
  set interval(seconds: number) {
    this._interval = seconds;
    this._asked = undefined;
    this._follow();
  }

  /** Whether the panel looks. */
  set isAttentive(attentive: boolean) {
    this.attend('panel', attentive ? 'status' : 'nothing');
  }

  /**
   * Note what somebody looks at: nothing but all clusters, or engines and work of the selected
   * one, too, or each of its tasks as well.
   */
  attend(who: string, what: Attention): void {
    this._attention.set(who, what);
    this._follow();
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._model.changed.disconnect(this._onChange);
    clearTimeout(this._timer);
    this._socket?.close();
  }

  private _open(): void {
    const url = new URL(URLExt.join(this._settings.wsUrl, ROOT, 'feed'));
    if (this._settings.token !== '') {
      url.searchParams.set('token', this._settings.token);
    }
    const socket = new this._settings.WebSocket(url.href);
    this._socket = socket;
    socket.onopen = () => {
      this._tries = 0;
      this._asked = undefined;
      this._model.setReach('open');
      this._follow();
    };
    socket.onmessage = event => {
      this._hear(event.data);
    };
    socket.onclose = () => {
      this._comeBack();
    };
  }

  private _hear(data: unknown): void {
    const message: unknown = typeof data === 'string' ? JSON.parse(data) : null;
    if (isToBrowser(message)) {
      this._model.take(message, Date.now() / 1000);
    } else {
      console.warn('ipcluster-ext: a message of the server cannot be understood');
    }
  }

  private _comeBack(): void {
    if (this._disposed) {
      return;
    }
    this._model.setReach('lost');
    const pause = PAUSES[Math.min(this._tries, PAUSES.length - 1)];
    this._tries += 1;
    this._timer = setTimeout(() => {
      this._open();
    }, pause);
  }

  /** Ask for the cluster that is selected, unless that was asked already. */
  private _follow(): void {
    const all = [...this._attention.values()];
    const looks = all.length === 0 || all.some(what => what !== 'nothing');
    const cluster = looks ? (this._model.selected?.id ?? null) : null;
    const spans = all.includes('spans');
    const asked = JSON.stringify([cluster, spans]);
    if (asked === this._asked || this._socket?.readyState !== WebSocket.OPEN) {
      return;
    }
    this._asked = asked;
    const wish: ISelect = { type: 'select', cluster, interval: this._interval, spans };
    this._socket.send(JSON.stringify(wish));
  }

  private readonly _onChange = (): void => {
    this._follow();
  };
  private _socket: WebSocket | null = null;
  /** What was asked for; undefined if nothing was. */
  private _asked: string | undefined = undefined;
  private readonly _attention = new Map<string, Attention>();
  private _tries = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined = undefined;
  private _disposed = false;
}
