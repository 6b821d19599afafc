/**
 * Numbers, spans and states as people read them. Pure; texts come from a translation bundle.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ClusterState, EngineState, ICluster, IWork } from './contract';

/** How long something takes, in its two largest units: `12 s`, `3 min 05 s`, `2 h 10 min`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  const [hours, left] = [Math.floor(minutes / 60), minutes % 60];
  const [days, over] = [Math.floor(hours / 24), hours % 24];
  if (days > 0) {
    return `${String(days)} d ${padded(over)} h`;
  }
  if (hours > 0) {
    return `${String(hours)} h ${padded(left)} min`;
  }
  return minutes > 0 ? `${String(minutes)} min ${padded(rest)} s` : `${String(rest)} s`;
}

/** A number of bytes in the unit that fits. */
export function size(nbytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = nbytes;
  let unit = 0;
  while (Math.abs(amount) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount.toFixed(unit > 0 && amount < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}

/** A fraction as a percentage. */
export function percent(fraction: number): string {
  return `${String(Math.round(100 * fraction))} %`;
}

function padded(number: number): string {
  return String(number).padStart(2, '0');
}

/** How far work is. `rate` is in tasks a second; `left` is in seconds, null if nobody knows. */
export interface IFar {
  readonly total: number;
  readonly ended: number;
  /** Between 0 and 1. */
  readonly fraction: number;
  readonly rate: number;
  readonly left: number | null;
}

/**
 * How far work is.
 *
 * @param now - What time it is on the server, in seconds since 1970.
 */
export function farOf(work: IWork, now: number): IFar {
  const ended = work.done + work.failed + work.cancelled;
  const total = ended + work.running + work.queued;
  const lasted = Math.max(0, (work.ended === 0 ? now : work.ended) - work.began);
  const rate = lasted > 0 ? ended / lasted : 0;
  const open = total - ended;
  return {
    total,
    ended,
    fraction: total > 0 ? ended / total : 0,
    rate,
    left: open > 0 && rate > 0 ? open / rate : null
  };
}

/** The name of work: its label, else its function, else what engines do with it. */
export function titleOf(work: IWork): string {
  return [work.label, work.name, work.kind].find(text => text !== '') ?? '';
}

export function clusterStateText(state: ClusterState, trans: TranslationBundle): string {
  switch (state) {
    case 'starting':
      return trans.__('starting');
    case 'ready':
      return trans.__('ready');
    case 'empty':
      return trans.__('no engines');
    case 'recovering':
      return trans.__('recovering');
    case 'stopping':
      return trans.__('stopping');
    case 'failed':
      return trans.__('failed');
  }
}

export function engineStateText(state: EngineState, trans: TranslationBundle): string {
  switch (state) {
    case 'starting':
      return trans.__('starting');
    case 'idle':
      return trans.__('idle');
    case 'busy':
      return trans.__('busy');
    case 'unresponsive':
      return trans.__('unresponsive');
    case 'retiring':
      return trans.__('retiring');
    case 'dead':
      return trans.__('dead');
  }
}

/** What a line tells of. */
type Counts = Pick<ICluster, 'wanted' | 'ready' | 'busy' | 'queued'>;

/** A cluster on one line: `4 engines · 2 busy · 37 queued`. */
export function clusterLine(cluster: Counts, trans: TranslationBundle): string {
  const engines =
    cluster.ready === cluster.wanted
      ? trans._n('%1 engine', '%1 engines', cluster.ready)
      : trans.__('%1 of %2 engines', cluster.ready, cluster.wanted);
  const parts = [engines];
  if (cluster.busy > 0) {
    parts.push(trans.__('%1 busy', cluster.busy));
  }
  if (cluster.queued > 0) {
    parts.push(trans.__('%1 queued', cluster.queued));
  }
  return parts.join(' · ');
}

/** All clusters together on one line, empty if there is none that runs. */
export function totalLine(clusters: readonly ICluster[], trans: TranslationBundle): string {
  const running = clusters.filter(cluster => cluster.state !== 'failed');
  const sum = (key: keyof Counts): number =>
    running.reduce((total, cluster) => total + cluster[key], 0);
  const counts = {
    wanted: sum('wanted'),
    ready: sum('ready'),
    busy: sum('busy'),
    queued: sum('queued')
  };
  return running.length === 0 ? '' : clusterLine(counts, trans);
}

/** When something began: the time of day, with the date if that was not today. */
export function moment(seconds: number, now: number): string {
  const [then, today] = [new Date(1000 * seconds), new Date(1000 * now)];
  const time = then.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return then.toDateString() === today.toDateString()
    ? time
    : `${then.toLocaleDateString()} ${time}`;
}
