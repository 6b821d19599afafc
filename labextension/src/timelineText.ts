/**
 * What a timeline tells in words. Pure; texts come from a translation bundle.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { span as spanText } from './figures';
import type { ISpan } from './spans';
import type { IViewport } from './viewport';

/** How long something takes, also if that is short: `3.2 s`, `41 ms`, `0.3 ms`. */
export function lasting(seconds: number): string {
  if (seconds >= 60) {
    return spanText(seconds);
  }
  if (seconds >= 1) {
    return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  }
  const milliseconds = 1000 * seconds;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** The time of day, to the millisecond. */
function clock(at: number): string {
  return new Date(1000 * at).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3
  });
}

/** All about a span, in lines. */
export function spanLines(span: ISpan, trans: TranslationBundle): string[] {
  const lasted = lasting(span.ended - span.began);
  const lines = [span.title];
  if (span.count > 1) {
    lines.push(trans.__('%1 short tasks, together %2', span.count.toLocaleString(), lasted));
  } else {
    lines.push(span.failed ? trans.__('failed after %1', lasted) : lasted);
  }
  lines.push(trans.__('engine %1, from %2', span.engine, clock(span.began)));
  return lines;
}

/** Which stretch of time is in sight. */
export function viewLine({ begin, end }: IViewport, trans: TranslationBundle): string {
  return trans.__('%1 from %2', lasting(end - begin), new Date(1000 * begin).toLocaleTimeString());
}
