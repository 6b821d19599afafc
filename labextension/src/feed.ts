/**
 * The WebSocket that brings what changes into the model. After a break it comes back by itself,
 * and everything is told once more. Nothing asks again and again.
 */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import { ROOT } from './api';
import { isToBrowser, type ISelect } from './contract';
import type { ClusterModel } from './model';

/** Pauses before it is tried again, in milliseconds: the first ones are short. */
const PAUSES = [250, 500, 1000, 2000, 5000, 10000] as const;

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

  /** Whether engines and work of the selected cluster are told, or nothing but all clusters. */
  set isAttentive(attentive: boolean) {
    this._attentive = attentive;
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
    const cluster = this._attentive ? (this._model.selected?.id ?? null) : null;
    if (cluster === this._asked || this._socket?.readyState !== WebSocket.OPEN) {
      return;
    }
    this._asked = cluster;
    const wish: ISelect = { type: 'select', cluster, interval: this._interval };
    this._socket.send(JSON.stringify(wish));
  }

  private readonly _onChange = (): void => {
    this._follow();
  };
  private _socket: WebSocket | null = null;
  /** What was asked for; undefined if nothing was. */
  private _asked: string | null | undefined = undefined;
  private _attentive = true;
  private _tries = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined = undefined;
  private _disposed = false;
}
