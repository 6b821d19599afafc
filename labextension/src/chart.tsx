/**
 * A small chart over the last minutes: one line, or two, and what they are now.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { span } from './figures';
import { ceiling, type Point } from './series';

/** One line of a chart. */
export interface ILine {
  readonly name: string;
  readonly points: readonly Point[];
  /** Chooses its colour. */
  readonly mod: 'main' | 'failed' | 'faint';
}

export interface IChartProps {
  readonly title: string;
  readonly lines: readonly ILine[];
  /** What a value is called, as `12 a second`. */
  readonly text: (value: number) => string;
  /** The top of the chart is at least this. */
  readonly least?: number;
  /** Makes a round top of what is highest. */
  readonly topOf?: (value: number) => number;
  readonly time: ITime;
  readonly trans: TranslationBundle;
}

/** What is shown: so many seconds up to now. */
export interface ITime {
  readonly now: number;
  readonly seconds: number;
}

const [WIDTH, HEIGHT] = [600, 120];
/** So much is left free above, so that lines at the top can be seen. */
const HEADROOM = 4;

export function Chart(props: IChartProps): React.JSX.Element {
  const { title, lines, text, least = 0, topOf = ceiling, time, trans } = props;
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value ?? 0));
  const most = Math.max(0, ...values);
  const top = topOf(Math.max(most, least));
  const [main] = lines;
  const last = main?.points.at(-1)?.[1] ?? null;
  const current = last === null ? trans.__('not known') : text(last);
  const highest = trans.__('most %1', text(most));
  return (
    <figure className="jp-Ipcluster-chart">
      <figcaption>
        <span className="jp-Ipcluster-chartTitle">{title}</span>
        <span className="jp-Ipcluster-chartNow">{current}</span>
        <span className="jp-Ipcluster-meta">{last === null ? '' : highest}</span>
      </figcaption>
      <div className="jp-Ipcluster-plot">
        <svg
          viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title}: ${current}, ${highest}`}
        >
          {[0.25, 0.5, 0.75].map(share => (
            <line
              key={share}
              className="jp-Ipcluster-gridLine"
              x1="0"
              x2={WIDTH}
              y1={share * HEIGHT}
              y2={share * HEIGHT}
            />
          ))}
          {[...lines].reverse().map(({ name, points, mod }) => (
            <g key={name} className={`jp-mod-${mod}`}>
              <path className="jp-Ipcluster-area" d={areaOf(points, top, time)} />
              <path className="jp-Ipcluster-curve" d={curveOf(points, top, time)} />
            </g>
          ))}
        </svg>
        <span className="jp-Ipcluster-chartTop">{text(top)}</span>
        <span className="jp-Ipcluster-chartSince">{trans.__('%1 ago', span(time.seconds))}</span>
        <span className="jp-Ipcluster-chartUntil">{trans.__('now')}</span>
      </div>
      {lines.length > 1 && (
        <ul className="jp-Ipcluster-legend">
          {lines.map(({ name, points, mod }) => (
            <li key={name}>
              <span className={`jp-Ipcluster-swatch jp-mod-${mod}`} aria-hidden="true" />
              <span>{name}</span>
              <span className="jp-Ipcluster-meta">{text(points.at(-1)?.[1] ?? 0)}</span>
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

type Place = readonly [x: number, y: number];

/** Where points are in the chart, in stretches without gaps. */
function stretches(points: readonly Point[], top: number, time: ITime): Place[][] {
  const found: Place[][] = [[]];
  for (const [at, value] of points) {
    if (value === null) {
      found.push([]);
    } else {
      const x = WIDTH * (1 - (time.now - at) / time.seconds);
      found.at(-1)?.push([x, HEIGHT - (HEIGHT - HEADROOM) * Math.min(1, value / top)]);
    }
  }
  return found.filter(stretch => stretch.length > 0);
}

function pathOf(places: readonly Place[]): string {
  return places
    .map(([x, y], place) => `${place === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`)
    .join('');
}

export function curveOf(points: readonly Point[], top: number, time: ITime): string {
  return stretches(points, top, time).map(pathOf).join('');
}

export function areaOf(points: readonly Point[], top: number, time: ITime): string {
  return stretches(points, top, time)
    .map(places => {
      const [first, last] = [places[0]?.[0] ?? 0, places.at(-1)?.[0] ?? 0];
      const [left, right, bottom] = [fixed(first), fixed(last), String(HEIGHT)];
      return `${pathOf(places)}L${right} ${bottom}L${left} ${bottom}Z`;
    })
    .join('');
}

function fixed(number: number): string {
  return number.toFixed(1).replace(/\.0$/, '');
}
