/**
 * The stretch of time that is looked at: moved, stretched, or following what happens. Pure.
 */

/** Seconds since 1970, by the server's clock. `follows` says that the end is always now. */
export interface IViewport {
  readonly begin: number;
  readonly end: number;
  readonly follows: boolean;
}

/** Nobody looks at less, or more, seconds. */
export const SHORTEST = 0.005;
export const LONGEST = 24 * 3600;
/** What is looked at to begin with, in seconds. */
export const USUAL = 60;
/** So much of the time that is followed is left free for what is to come. */
const AHEAD = 0.03;

/** Follow what happens. */
export function following(now: number, seconds = USUAL): IViewport {
  const end = now + AHEAD * seconds;
  return { begin: end - seconds, end, follows: true };
}

/** What is looked at a moment later: the same, or as much up to now. */
export function later(view: IViewport, now: number): IViewport {
  return view.follows ? following(now, view.end - view.begin) : view;
}

/** Move by a part of what is in sight; to the right if that is positive. */
export function panned(view: IViewport, part: number): IViewport {
  const by = part * (view.end - view.begin);
  return { begin: view.begin + by, end: view.end + by, follows: false };
}

/**
 * Stretch what is in sight.
 *
 * @param factor - Less than 1 to see less, and more of it.
 * @param at - What stays where it is: 0 the left end, 1 the right end.
 */
export function zoomed(view: IViewport, factor: number, at = 0.5): IViewport {
  const seconds = view.end - view.begin;
  const wanted = Math.min(LONGEST, Math.max(SHORTEST, seconds * factor));
  const fixed = view.follows ? 1 - AHEAD : at;
  const point = view.begin + fixed * seconds;
  const begin = point - fixed * wanted;
  return { begin, end: begin + wanted, follows: view.follows };
}

/** See everything from a moment on. */
export function showing(begin: number, now: number): IViewport {
  const seconds = Math.max(1, now - begin);
  return { begin: begin - AHEAD * seconds, end: now + AHEAD * seconds, follows: false };
}

/** Round steps between ticks, in seconds. */
const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
  1800, 3600, 7200, 14400
] as const;

/** How far ticks are apart if there may be so many, in seconds. */
export function tickStep(seconds: number, most: number): number {
  return STEPS.find(step => seconds / step <= most) ?? 28800;
}

/** The moments of ticks in a stretch of time. */
export function ticks({ begin, end }: IViewport, most: number): { at: number[]; step: number } {
  const step = tickStep(end - begin, most);
  const at = [];
  for (let count = Math.ceil(begin / step); count * step <= end; count += 1) {
    at.push(count * step);
  }
  return { at, step };
}

/** A moment as its tick says it: as precise as ticks are close. */
export function tickText(at: number, step: number): string {
  const time = new Date(1000 * Math.floor(at + 1e-6)).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    ...(step < 60 ? { second: '2-digit' } : {})
  });
  if (step >= 1) {
    return time;
  }
  const digits = step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
  const fraction = at - Math.floor(at + 1e-6);
  return `.${Math.abs(fraction).toFixed(digits).slice(2)}`;
}
