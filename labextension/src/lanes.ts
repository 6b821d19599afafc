/**
 * What a timeline draws, and what is under the pointer: spans as bars on lanes. Pure.
 */
import type { IEngine } from './contract';
import type { ISpan, SpanStore } from './spans';
import type { IViewport } from './viewport';

/** A bar; `left` and `width` are in pixels. */
export interface IBar {
  readonly lane: number;
  readonly left: number;
  readonly width: number;
  /** Chooses its colour. */
  readonly number: number;
  readonly failed: boolean;
  readonly running: boolean;
}

/** What there is to draw. */
export interface IScene {
  /** The engines, a lane each. */
  readonly engines: readonly IEngine[];
  readonly spans: SpanStore;
  readonly viewport: IViewport;
  /** How wide a lane is, in pixels. */
  readonly width: number;
  /** The lanes that are in sight: from the first up to, and without, the last. */
  readonly lanes: readonly [number, number];
  readonly now: number;
}

/** No bar is narrower; of those that would lie in the same pixel one is drawn. */
const LEAST_WIDTH = 1;

/** The bars that are in sight. Those that would hide each other are one. */
export function barsOf(scene: IScene): IBar[] {
  const { engines, spans, viewport, width, lanes, now } = scene;
  const [first, last] = lanes;
  const inSight = new Map<number, number>();
  for (let lane = first; lane < Math.min(last, engines.length); lane += 1) {
    const engine = engines[lane];
    if (engine !== undefined) {
      inSight.set(engine.id, lane);
    }
  }
  const scale = width / (viewport.end - viewport.begin);
  const bars: IBar[] = [];
  const drawnUpTo = new Map<number, number>();
  const add = (lane: number, span: ISpan, running: boolean): void => {
    if (span.ended < viewport.begin || span.began > viewport.end) {
      return;
    }
    const left = Math.max(-LEAST_WIDTH, (span.began - viewport.begin) * scale);
    const right = Math.min(width + LEAST_WIDTH, (span.ended - viewport.begin) * scale);
    const isHidden = right - left < LEAST_WIDTH && right <= (drawnUpTo.get(lane) ?? -Infinity);
    if (!isHidden || span.failed) {
      const wide = Math.max(LEAST_WIDTH, right - left);
      drawnUpTo.set(lane, Math.max(left + wide, drawnUpTo.get(lane) ?? -Infinity));
      bars.push({
        lane,
        left,
        width: wide,
        number: spans.numberOf(span.title),
        failed: span.failed,
        running
      });
    }
  };
  spans.forEach(span => {
    const lane = inSight.get(span.engine);
    if (lane !== undefined) {
      add(lane, span, false);
    }
  });
  for (const engine of engines.slice(first, last)) {
    const lane = inSight.get(engine.id);
    const span = runningSpan(engine, now);
    if (lane !== undefined && span !== null) {
      add(lane, span, true);
    }
  }
  return bars;
}

/** What an engine runs now, as far as it has come; null if that is nothing. */
export function runningSpan(engine: IEngine, now: number): ISpan | null {
  if (engine.state !== 'busy' || engine.label === '' || engine.since <= 0) {
    return null;
  }
  return {
    engine: engine.id,
    title: engine.label,
    began: engine.since,
    ended: Math.max(now, engine.since),
    failed: false,
    count: 1
  };
}

/**
 * The span of an engine at a moment, or the nearest one within a distance; null if there is none.
 *
 * @param distance - In seconds.
 */
export function spanAt(
  spans: SpanStore,
  engine: IEngine,
  at: number,
  distance: number,
  now: number
): ISpan | null {
  let best: ISpan | null = null;
  let least = distance;
  const look = (span: ISpan): void => {
    const away = Math.max(span.began - at, at - span.ended, 0);
    if (away < least || (away === least && (best === null || shorter(span, best)))) {
      [best, least] = [span, away];
    }
  };
  spans.forEach(span => {
    if (span.engine === engine.id) {
      look(span);
    }
  });
  const running = runningSpan(engine, now);
  if (running !== null) {
    look(running);
  }
  return best;
}

function shorter(one: ISpan, other: ISpan): boolean {
  return one.ended - one.began < other.ended - other.began;
}

/** The span of an engine before or after another one; the last one if none is given. */
export function neighbour(
  spans: SpanStore,
  engine: number,
  from: ISpan | null,
  by: -1 | 1
): ISpan | null {
  const all = spans.of(engine);
  if (from?.engine !== engine) {
    return all.at(-1) ?? null;
  }
  const place = all.findIndex(span => span.began === from.began && span.ended === from.ended);
  return all[place + by] ?? from;
}
