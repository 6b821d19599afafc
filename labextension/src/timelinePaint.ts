/**
 * How a timeline looks: an axis of time above, a lane for each engine, spans as bars.
 */
import type { IEngine } from './contract';
import type { IBar } from './lanes';
import type { ISpan, SpanStore } from './spans';
import { ticks, tickText, type IViewport } from './viewport';

/** In pixels: how high a lane and the axis are, and how wide the place for numbers of engines. */
export const LANE = 24;
export const AXIS = 26;
export const GUTTER = 56;
/** So many colours there are for titles. */
export const HUES = 8;

/** The theme's colours. */
export interface IPalette {
  readonly back: string;
  readonly stripe: string;
  readonly line: string;
  readonly text: string;
  readonly faint: string;
  readonly failed: string;
  readonly now: string;
  readonly font: string;
  readonly hues: readonly string[];
}

/** What is to be seen. Lengths are in pixels. */
export interface IPicture {
  readonly width: number;
  readonly height: number;
  /** How far lanes are scrolled. */
  readonly top: number;
  readonly engines: readonly IEngine[];
  readonly lanes: readonly [number, number];
  readonly viewport: IViewport;
  readonly bars: readonly IBar[];
  /** Knows what the numbers of colours stand for. */
  readonly spans: SpanStore;
  /** The lane that keys work on, -1 for none. */
  readonly lane: number;
  readonly span: ISpan | null;
  readonly now: number;
  readonly palette: IPalette;
}

const PADDING = 3;
/** Between two ticks there are at least so many pixels. */
const BETWEEN_TICKS = 90;
/** In narrower bars there is no room for a text. */
const ROOM_FOR_TEXT = 36;
const BETWEEN_STRIPES = 6;

export function paint(context: CanvasRenderingContext2D, picture: IPicture): void {
  const { width, height, palette } = picture;
  context.fillStyle = palette.back;
  context.fillRect(0, 0, width, height);
  context.font = palette.font;
  context.textBaseline = 'middle';
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  paintLanes(context, picture);
  context.beginPath();
  context.rect(GUTTER, AXIS, width - GUTTER, height - AXIS);
  context.clip();
  paintGrid(context, picture);
  picture.bars.forEach(bar => {
    paintBar(context, picture, bar);
  });
  paintChosen(context, picture);
  paintNow(context, picture);
  context.restore();
  paintAxis(context, picture);
}

function yOf(lane: number, { top }: IPicture): number {
  return AXIS + lane * LANE - top;
}

function xOf(at: number, { viewport, width }: IPicture): number {
  const { begin, end } = viewport;
  return GUTTER + ((at - begin) / (end - begin)) * (width - GUTTER);
}

function paintLanes(context: CanvasRenderingContext2D, picture: IPicture): void {
  const { engines, lanes, lane: chosen, width, palette } = picture;
  context.textAlign = 'right';
  for (let lane = lanes[0]; lane < Math.min(lanes[1], engines.length); lane += 1) {
    const y = yOf(lane, picture);
    if (lane === chosen) {
      context.fillStyle = palette.stripe;
      context.fillRect(0, y, width, LANE);
    }
    context.fillStyle = palette.line;
    context.fillRect(0, y + LANE - 1, width, 1);
    const engine = engines[lane];
    context.fillStyle = engine?.state === 'busy' ? palette.text : palette.faint;
    context.fillText(String(engine?.id ?? ''), GUTTER - 10, y + LANE / 2);
  }
}

function ticksOf({ viewport, width }: IPicture): { at: number[]; step: number } {
  return ticks(viewport, Math.max(1, Math.floor((width - GUTTER) / BETWEEN_TICKS)));
}

function paintGrid(context: CanvasRenderingContext2D, picture: IPicture): void {
  context.fillStyle = picture.palette.line;
  context.globalAlpha = 0.6;
  for (const at of ticksOf(picture).at) {
    context.fillRect(Math.round(xOf(at, picture)), AXIS, 1, picture.height);
  }
  context.globalAlpha = 1;
}

function paintBar(context: CanvasRenderingContext2D, picture: IPicture, bar: IBar): void {
  const { palette, spans } = picture;
  const hue = palette.hues[bar.number % palette.hues.length] ?? palette.text;
  const [x, y] = [GUTTER + bar.left, yOf(bar.lane, picture) + PADDING];
  const high = LANE - 1 - 2 * PADDING;
  context.globalAlpha = bar.running ? 0.55 : 1;
  const fill = bar.failed ? palette.failed : hue;
  context.fillStyle = fill;
  context.fillRect(x, y, bar.width > 3 ? bar.width - 0.5 : bar.width, high);
  context.globalAlpha = 1;
  if (bar.failed && bar.width > BETWEEN_STRIPES) {
    paintStripes(context, palette.back, [x, y, bar.width, high]);
  }
  const left = Math.max(x, GUTTER);
  if (x + bar.width - left > ROOM_FOR_TEXT) {
    const room = x + bar.width - left - 8;
    context.save();
    context.beginPath();
    context.rect(left, y, room + 4, high);
    context.clip();
    context.textAlign = 'left';
    context.fillStyle = bar.running ? palette.text : inkOn(context, fill, palette);
    context.fillText(spans.titleOf(bar.number), left + 5, y + high / 2 + 0.5);
    context.restore();
  }
}

/** Of the colours of text and background, the one that can be read on another. */
function inkOn(context: CanvasRenderingContext2D, fill: string, palette: IPalette): string {
  const away = (colour: string): number =>
    Math.abs(brightness(context, colour) - brightness(context, fill));
  return away(palette.text) > away(palette.back) ? palette.text : palette.back;
}

/** How bright a colour is, from 0 to 255. */
function brightness(context: CanvasRenderingContext2D, colour: string): number {
  context.fillStyle = colour;
  const written = context.fillStyle; // as '#rrggbb', whatever it was
  const part = (at: number): number => Number.parseInt(written.slice(at, at + 2), 16) || 0;
  return 0.3 * part(1) + 0.59 * part(3) + 0.11 * part(5);
}

/** What failed is striped: not everybody sees its colour. */
function paintStripes(
  context: CanvasRenderingContext2D,
  colour: string,
  [x, y, wide, high]: readonly [number, number, number, number]
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, wide, high);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = 0.45;
  context.beginPath();
  for (let at = x - high; at < x + wide; at += BETWEEN_STRIPES) {
    context.moveTo(at, y + high);
    context.lineTo(at + high, y);
  }
  context.stroke();
  context.restore();
}

function paintChosen(context: CanvasRenderingContext2D, picture: IPicture): void {
  const { span, engines, palette } = picture;
  const lane = engines.findIndex(engine => engine.id === span?.engine);
  if (span === null || lane < 0) {
    return;
  }
  const [left, right] = [xOf(span.began, picture), xOf(span.ended, picture)];
  context.strokeStyle = palette.text;
  context.lineWidth = 2;
  const y = yOf(lane, picture) + PADDING;
  context.strokeRect(left - 1, y - 1, Math.max(3, right - left + 1), LANE + 1 - 2 * PADDING);
  context.lineWidth = 1;
}

function paintNow(context: CanvasRenderingContext2D, picture: IPicture): void {
  const x = Math.round(xOf(picture.now, picture));
  context.fillStyle = picture.palette.now;
  context.fillRect(x, AXIS, 1, picture.height);
}

function paintAxis(context: CanvasRenderingContext2D, picture: IPicture): void {
  const { width, palette } = picture;
  context.fillStyle = palette.line;
  context.fillRect(0, AXIS - 1, width, 1);
  context.textAlign = 'center';
  context.fillStyle = palette.faint;
  const { at, step } = ticksOf(picture);
  for (const moment of at) {
    const x = xOf(moment, picture);
    const text = tickText(moment, step);
    const half = context.measureText(text).width / 2 + 2;
    if (x > GUTTER && x - half > 0 && x + half < width) {
      context.fillText(text, x, AXIS / 2);
    }
  }
}
