/**
 * What clusters did in the last minutes: a sample a second, in rings. Pure.
 */
import type { ICluster, IEngine } from './contract';

/** So many samples are kept of a cluster, */
export const SAMPLES_KEPT = 600;
/** which are so many seconds. */
export const SECONDS_KEPT = 600;
/** After so many seconds without news nothing has changed. */
const LULL = 2;

/** A cluster at one moment; `ended` and `failed` count from its beginning. */
export interface ISample {
  readonly at: number;
  readonly ended: number;
  readonly failed: number;
  readonly queued: number;
  readonly running: number;
  readonly busy: number;
  readonly ready: number;
  /** How many processors its engines use together; null where nobody measures. */
  readonly cpu: number | null;
  readonly nbytes: number | null;
}

/** A moment and a value; null where there is none. */
export type Point = readonly [at: number, value: number | null];

export class Series {
  /** The samples, the oldest first. */
  get samples(): readonly ISample[] {
    return this._samples;
  }

  /** Add a sample; of several within a second the last one counts. */
  take(sample: ISample): void {
    const last = this._samples.at(-1);
    if (last !== undefined && Math.floor(last.at) === Math.floor(sample.at)) {
      this._samples[this._samples.length - 1] = sample;
      return;
    }
    if (last !== undefined && sample.at - last.at > LULL) {
      this._samples.push({ ...last, at: sample.at - 1 });
    }
    this._samples.push(sample);
    const most = this._samples.length - SAMPLES_KEPT;
    if (most > 0) {
      this._samples.splice(0, most);
    }
  }

  /** A value over time, up to now. */
  points(of: (sample: ISample) => number | null, now: number): Point[] {
    const points = this._recent(now).map((sample): Point => [sample.at, of(sample)]);
    const last = points.at(-1);
    return last === undefined || last[0] >= now ? points : [...points, [now, last[1]]];
  }

  /** How fast a count grows, in units a second, up to now. */
  rates(of: (sample: ISample) => number, now: number): Point[] {
    const samples = this._recent(now);
    const points = samples.slice(1).map((sample, place): Point => {
      const before = samples[place] ?? sample;
      const lasted = Math.max(1e-3, sample.at - before.at);
      return [sample.at, Math.max(0, (of(sample) - of(before)) / lasted)]; // a new hub counts anew
    });
    const last = points.at(-1);
    if (last !== undefined && now - last[0] > LULL) {
      return [...points, [Math.min(now, last[0] + 1), 0], [now, 0]];
    }
    return points;
  }

  private _recent(now: number): ISample[] {
    return this._samples.filter(sample => sample.at >= now - SECONDS_KEPT - 1);
  }

  private readonly _samples: ISample[] = [];
}

/** The series of all clusters. */
export class Recorder {
  /** The series of a cluster. */
  of(cluster: string): Series {
    let series = this._series.get(cluster);
    if (series === undefined) {
      series = new Series();
      this._series.set(cluster, series);
    }
    return series;
  }

  /**
   * Note how clusters are; those that are not there any more are forgotten.
   *
   * @param selected - The one whose engines are known.
   */
  note(
    clusters: readonly ICluster[],
    selected: string | null,
    engines: readonly IEngine[],
    at: number
  ): void {
    const there = new Set(clusters.map(cluster => cluster.id));
    [...this._series.keys()].filter(id => !there.has(id)).forEach(id => this._series.delete(id));
    for (const cluster of clusters) {
      const { ended, failed, queued, running, busy, ready } = cluster;
      const own = cluster.id === selected ? engines : [];
      const cpu = summed(own.map(engine => engine.cpu));
      const nbytes = summed(own.map(engine => engine.nbytes));
      this.of(cluster.id).take({ at, ended, failed, queued, running, busy, ready, cpu, nbytes });
    }
  }

  private readonly _series = new Map<string, Series>();
}

/** The sum of what is known, null if nothing is. */
function summed(values: readonly (number | null)[]): number | null {
  const known = values.filter(value => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** How many seconds are shown: as many as there are, in round steps. */
export function windowOf(series: Series, now: number): number {
  const first = series.samples[0]?.at ?? now;
  return [60, 120, 300].find(seconds => now - first <= seconds) ?? SECONDS_KEPT;
}

/** The least power of two that is not less, of a number of bytes. */
export function ceilingOfBytes(nbytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, nbytes)));
}

/** The least round number that is not less: 1, 2 or 5 times a power of ten. */
export function ceiling(value: number): number {
  if (value <= 0) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find(each => each * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}
