/**
 * What is known of clusters: messages are folded in, signals tell that something has changed.
 *
 * No DOM, no timer, no request.
 */
import { Signal, type ISignal } from '@lumino/signaling';

import type { ICluster, IEngine, IStatusNow, IWork, ToBrowser } from './contract';
import { Recorder } from './series';
import { SpanStore } from './spans';
import { Works } from './works';

/** How the server can be reached: not as yet, now, or not at the moment. */
export type Reach = 'connecting' | 'open' | 'lost';

export class ClusterModel {
  /** Which tasks of the selected cluster ran when and where, while that is watched. */
  readonly spans = new SpanStore();

  /** What all clusters did in the last minutes. */
  readonly recorder = new Recorder();

  /** Emitted whenever anything here has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** All clusters, the youngest first. */
  get clusters(): readonly ICluster[] {
    return this._clusters;
  }

  /** The cluster whose engines and work are shown, null if there is none. */
  get selected(): ICluster | null {
    return this._clusters.find(cluster => cluster.id === this._selected) ?? null;
  }

  /** The engines of the selected cluster, by id. */
  get engines(): readonly IEngine[] {
    return this._engineList;
  }

  /** The last line that each engine of the selected cluster wrote, by id; most write none. */
  get lines(): ReadonlyMap<number, string> {
    return this._lines;
  }

  /** The work of the selected cluster, the latest first; what is over stays listed. */
  get work(): readonly IWork[] {
    return this._works.list;
  }

  /** Whether something is shown that changes with the time alone. */
  get isAtWork(): boolean {
    return (
      this._engineList.some(engine => engine.state === 'busy') ||
      this.work.some(work => work.ended === 0)
    );
  }

  /** Whether the server has told which clusters there are. */
  get isTold(): boolean {
    return this._told;
  }

  get reach(): Reach {
    return this._reach;
  }

  /** What went wrong last, empty if nothing did. */
  get trouble(): string {
    return this._trouble;
  }

  /**
   * What time it is on the server, in seconds since 1970.
   *
   * @param now - What time it is here, likewise.
   */
  serverTime(now: number): number {
    return now + this._ahead;
  }

  /** Show another cluster, or none. What is known of the one before is dropped. */
  select(cluster: string | null): void {
    if (cluster !== this._selected) {
      this._selected = cluster;
      this._works.clear();
      this.spans.clear();
      this._fold({ whole: true, engines: [], gone: [], work: [], past: [], lines: {} });
      this._changed.emit();
    }
  }

  /** Note how the server can be reached. */
  setReach(reach: Reach): void {
    if (reach !== this._reach) {
      this._reach = reach;
      this._changed.emit();
    }
  }

  /** Note what went wrong, or that it is over. */
  setTrouble(trouble: string): void {
    if (trouble !== this._trouble) {
      this._trouble = trouble;
      this._changed.emit();
    }
  }

  /**
   * Fold in what the server says.
   *
   * @param now - What time it is here, in seconds since 1970.
   */
  take(message: ToBrowser, now: number): void {
    switch (message.type) {
      case 'clusters':
        this._ahead = message.at - now;
        this._clusters = message.clusters;
        this._told = true;
        if (this.selected === null) {
          this.select(message.clusters[0]?.id ?? null);
        }
        break;
      case 'status':
        if (message.cluster !== this._selected) {
          return; // another one has been selected since
        }
        this._fold(message);
        break;
      case 'spans':
        if (message.cluster === this._selected) {
          this.spans.take(message);
        }
        return;
      case 'refusal':
        this._trouble = message.reason;
        break;
    }
    this._record(this.serverTime(now));
    this._changed.emit();
  }

  private _record(at: number): void {
    this.recorder.note(this._clusters, this._selected, this._engineList, at);
  }

  private _fold(news: Omit<IStatusNow, 'type' | 'cluster'>): void {
    if (news.whole) {
      this._engines.clear();
      this._lines.clear();
    }
    news.gone.forEach(id => {
      this._engines.delete(id);
      this._lines.delete(id);
    });
    Object.entries(news.lines).forEach(([id, line]) => this._lines.set(Number(id), line));
    news.engines.forEach(engine => this._engines.set(engine.id, engine));
    this._works.fold(news);
    this._engineList = [...this._engines.values()].sort((one, other) => one.id - other.id);
  }

  private readonly _changed = new Signal<this, void>(this);
  private _clusters: readonly ICluster[] = [];
  private _selected: string | null = null;
  private readonly _engines = new Map<number, IEngine>();
  private readonly _lines = new Map<number, string>();
  private readonly _works = new Works();
  private _engineList: readonly IEngine[] = [];
  private _reach: Reach = 'connecting';
  private _trouble = '';
  private _ahead = 0;
  private _told = false;
}
