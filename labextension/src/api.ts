/**
 * One function per route of the server extension. Errors carry the server's reason.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  EngineAction,
  IChoice,
  ICluster,
  IConsole,
  INew,
  IProfiles,
  ITended,
  IWork,
  WorkAction
} from './contract';
import { isChoice, isCluster, isConsole, isLog, isProfiles, isTended } from './guards';
import { Refused } from './refused';

/** Where the routes are, below the server's base URL. */
export const ROOT = 'ipcluster-ext';

export class Api {
  constructor(readonly settings: ServerConnection.ISettings) {}

  /** Start a cluster; how that goes is told by the feed. */
  async start(wish: INew): Promise<ICluster> {
    return this._ask(isCluster, 'POST', ['clusters'], wish);
  }

  /** Stop a cluster, also while it starts; forget one that could not start. */
  async stop(cluster: string): Promise<void> {
    await this._send('DELETE', ['clusters', cluster]);
  }

  /** Have so many engines; busy ones finish first. */
  async scale(cluster: string, n: number): Promise<void> {
    await this._send('POST', ['clusters', cluster, 'scale'], { n });
  }

  /** Give all engines new processes. */
  async restart(cluster: string): Promise<void> {
    await this._send('POST', ['clusters', cluster, 'restart'], {});
  }

  /** Do something to one engine. */
  async act(cluster: string, engine: number, action: EngineAction): Promise<void> {
    await this._send('POST', ['clusters', cluster, 'engines', String(engine)], { action });
  }

  /** Cancel work, interrupt it, or run again what failed. */
  async tend(cluster: string, work: IWork, action: WorkAction): Promise<ITended> {
    const path = ['clusters', cluster, 'work', String(work.number)];
    return this._ask(isTended, 'POST', path, { action, began: work.began });
  }

  /** The traceback of the task that failed first. */
  async workError(cluster: string, work: IWork): Promise<string> {
    const path = ['clusters', cluster, 'work', String(work.number), 'error'];
    return (await this._ask(isLog, 'GET', path)).text;
  }

  /** What the processes of a cluster have written. */
  async log(cluster: string): Promise<string> {
    return (await this._ask(isLog, 'GET', ['clusters', cluster, 'log'])).text;
  }

  /** What an engine's process has written. */
  async engineLog(cluster: string, engine: number): Promise<string> {
    const path = ['clusters', cluster, 'engines', String(engine), 'log'];
    return (await this._ask(isLog, 'GET', path)).text;
  }

  /** Have the server know an engine as a kernel. */
  async console(cluster: string, engine: number): Promise<IConsole> {
    const path = ['clusters', cluster, 'engines', String(engine), 'console'];
    return this._ask(isConsole, 'POST', path, {});
  }

  /** Which cluster the notebook of a kernel uses where it names none. */
  async choice(kernel: string): Promise<IChoice> {
    return this._ask(isChoice, 'GET', ['notebooks', kernel]);
  }

  /** Have the notebook of a kernel use a cluster where it names none; empty for whichever. */
  async choose(kernel: string, cluster: string): Promise<void> {
    await this._send('PUT', ['notebooks', kernel], { cluster: cluster === '' ? null : cluster });
  }

  /** The recipes for clusters. */
  async profiles(): Promise<IProfiles> {
    return this._ask(isProfiles, 'GET', ['profiles']);
  }

  private async _ask<T>(
    guard: (value: unknown) => value is T,
    method: string,
    path: readonly string[],
    body?: object
  ): Promise<T> {
    const response = await this._send(method, path, body);
    const answer: unknown = await response.json();
    if (!guard(answer)) {
      throw new Refused('The server gave an answer that cannot be understood', response.status);
    }
    return answer;
  }

  private async _send(method: string, path: readonly string[], body?: object): Promise<Response> {
    const parts = path.map(part => encodeURIComponent(part));
    const url = URLExt.join(this.settings.baseUrl, ROOT, ...parts);
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await ServerConnection.makeRequest(url, init, this.settings);
    if (!response.ok) {
      throw await refusalOf(response);
    }
    return response;
  }
}

/** The reason that an answer gives, or else its status. */
async function refusalOf(response: Response): Promise<Refused> {
  const { status } = response;
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body) {
      const option = 'option' in body ? String(body.option) : null;
      return new Refused(String(body.message), status, option);
    }
  } catch {
    // not JSON: a proxy answered, or the server is older than this page
  }
  return new Refused(`${String(status)} ${response.statusText}`, status);
}
