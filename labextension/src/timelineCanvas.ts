/**
 * The canvas of a timeline: draws the lanes that are in sight, and takes wheel, pointer and keys.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import type { IEngine } from './contract';
import { barsOf, spanAt } from './lanes';
import type { ClusterModel } from './model';
import type { ISpan } from './spans';
import { AXIS, GUTTER, HUES, LANE, paint, type IPalette } from './timelinePaint';
import { KEYS, type TimelineState } from './timelineState';
import { spanLines, viewLine } from './timelineText';
import { panned, zoomed } from './viewport';

/** So far from a span, in pixels, a pointer is still at it. */
const NEAR = 4;
/** It is drawn so often while it follows, in milliseconds, at most and at least. */
const [FASTEST, SLOWEST] = [50, 1000];

export class TimelineCanvas implements IDisposable {
  /**
   * @param _host - Where it is put; it takes the keys.
   */
  constructor(
    private readonly _host: HTMLElement,
    private readonly _model: ClusterModel,
    private readonly _state: TimelineState,
    private readonly _trans: TranslationBundle
  ) {
    this._scroller = this._add('div', 'jp-Ipcluster-timelineScroller');
    this._canvas = this._scroller.appendChild(document.createElement('canvas'));
    this._canvas.setAttribute('aria-hidden', 'true');
    this._spacer = this._scroller.appendChild(document.createElement('div'));
    this._spacer.className = 'jp-Ipcluster-timelineSpacer';
    this._tip = this._add('div', 'jp-Ipcluster-timelineTip');
    this._said = this._add('div', 'jp-Ipcluster-said');
    this._said.setAttribute('role', 'status');
    this._sized = new ResizeObserver(this.request);
    this._sized.observe(this._host);
    this._themed = new MutationObserver(this.request);
    this._themed.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
    this._listen();
    this._state.changed.connect(this.request);
    this._model.spans.changed.connect(this.request);
    this._model.changed.connect(this.request);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** Whether anybody can see it; if not, nothing is drawn. */
  set isSeen(seen: boolean) {
    this._seen = seen;
    this.request();
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._sized.disconnect();
    this._themed.disconnect();
    this._stopListening.abort();
    cancelAnimationFrame(this._frame);
    clearTimeout(this._timer);
    this._state.changed.disconnect(this.request);
    this._model.spans.changed.disconnect(this.request);
    this._model.changed.disconnect(this.request);
    this._host.replaceChildren();
  }

  /** Have it drawn soon. */
  readonly request = (): void => {
    if (this._frame === 0 && this._seen && !this._disposed) {
      this._frame = requestAnimationFrame(this._draw);
    }
  };

  private _add(kind: 'div', className: string): HTMLDivElement {
    const node = this._host.appendChild(document.createElement(kind));
    node.className = className;
    return node;
  }

  // ---------------------------------------------------------------- drawing

  private readonly _draw = (): void => {
    this._frame = 0;
    const { clientWidth: width, clientHeight: height } = this._scroller;
    const engines = this._model.engines;
    this._spacer.style.height = `${String(AXIS + LANE * engines.length)}px`;
    const context = this._fitted(width, height);
    if (context === null || width <= GUTTER) {
      return;
    }
    const now = this._now;
    this._state.pass(now);
    const top = this._scroller.scrollTop;
    const lanes = [Math.floor(top / LANE), Math.ceil((top + height - AXIS) / LANE)] as const;
    const { viewport, lane, span } = this._state;
    const { spans } = this._model;
    const bars = barsOf({ engines, spans, viewport, width: width - GUTTER, lanes, now });
    paint(context, {
      width,
      height,
      top,
      engines,
      lanes,
      viewport,
      bars,
      spans,
      lane,
      span,
      now,
      palette: this._palette()
    });
    this._showTip(width, height, top);
    this._comeBack(width);
  };

  /** Draw again in a moment, as long as time goes on in what is shown. */
  private _comeBack(width: number): void {
    clearTimeout(this._timer);
    const { begin, end, follows } = this._state.viewport;
    if (follows) {
      const pixel = (1000 * (end - begin)) / width;
      this._timer = setTimeout(this.request, Math.min(SLOWEST, Math.max(FASTEST, pixel)));
    }
  }

  private _fitted(width: number, height: number): CanvasRenderingContext2D | null {
    const ratio = window.devicePixelRatio;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this._canvas.width !== wide || this._canvas.height !== high) {
      this._canvas.width = wide;
      this._canvas.height = high;
      this._canvas.style.width = `${String(width)}px`;
      this._canvas.style.height = `${String(height)}px`;
    }
    const context = this._canvas.getContext('2d');
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  }

  private _palette(): IPalette {
    const style = getComputedStyle(this._host);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    return {
      back: colour('--jp-layout-color1'),
      stripe: colour('--jp-layout-color2'),
      line: colour('--jp-border-color2'),
      text: colour('--jp-ui-font-color1'),
      faint: colour('--jp-ui-font-color2'),
      failed: colour('--jp-error-color1'),
      now: colour('--jp-brand-color1'),
      font: `11px ${colour('--jp-ui-font-family')}`,
      hues: Array.from({ length: HUES }, (_, hue) => colour(`--jp-Ipcluster-hue${String(hue)}`))
    };
  }

  private _showTip(width: number, height: number, top: number): void {
    const { span, viewport } = this._state;
    const lane = this._model.engines.findIndex(engine => engine.id === span?.engine);
    if (span === null || lane < 0) {
      this._tip.style.display = 'none';
      return;
    }
    this._tip.replaceChildren(
      ...spanLines(span, this._trans).map(line => {
        const node = document.createElement('div');
        node.textContent = line;
        return node;
      })
    );
    this._tip.style.display = 'block';
    const scale = (width - GUTTER) / (viewport.end - viewport.begin);
    const middle = GUTTER + ((span.began + span.ended) / 2 - viewport.begin) * scale;
    const wanted = this._pointer ?? middle;
    const { offsetWidth, offsetHeight } = this._tip;
    const below = AXIS + (lane + 1) * LANE - top + 4;
    const above = below - LANE - offsetHeight - 8;
    const left = Math.min(width - offsetWidth - 4, Math.max(GUTTER, wanted - offsetWidth / 2));
    this._tip.style.left = `${String(left)}px`;
    this._tip.style.top = `${String(below + offsetHeight > height ? Math.max(0, above) : below)}px`;
  }

  // ---------------------------------------------------------------- what users do

  private _listen(): void {
    const { signal } = this._stopListening;
    const host = this._host;
    host.addEventListener('keydown', this._onKey, { signal });
    this._scroller.addEventListener('scroll', this.request, { signal, passive: true });
    host.addEventListener('wheel', this._onWheel, { signal, passive: false });
    host.addEventListener('pointerdown', this._onPress, { signal });
    host.addEventListener('pointermove', this._onMove, { signal });
    host.addEventListener('pointerup', this._onRelease, { signal });
    host.addEventListener('pointercancel', this._onRelease, { signal });
    host.addEventListener(
      'pointerleave',
      () => {
        this._pointer = null;
        this._state.point(null);
      },
      { signal }
    );
  }

  private readonly _onKey = (event: KeyboardEvent): void => {
    const move = KEYS.get(event.key);
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this._pointer = null;
    const { engines, spans } = this._model;
    this._state.move(move, engines, spans, this._now);
    this._reveal(this._state.lane);
    const { span, lane, viewport } = this._state;
    const engine = engines[lane];
    if (span !== null) {
      this._say(spanLines(span, this._trans).join(', '));
    } else if ((move === 'up' || move === 'down') && engine !== undefined) {
      this._say(this._trans.__('Engine %1', engine.id));
    } else {
      this._say(viewLine(viewport, this._trans));
    }
  };

  private _say(text: string): void {
    this._said.textContent = text;
  }

  /** Have a lane in sight. */
  private _reveal(lane: number): void {
    const { scrollTop, clientHeight } = this._scroller;
    if (lane >= 0) {
      const [top, bottom] = [lane * LANE, (lane + 1) * LANE + AXIS - clientHeight];
      this._scroller.scrollTop = Math.min(top, Math.max(bottom, scrollTop));
    }
  }

  private readonly _onWheel = (event: WheelEvent): void => {
    const { scrollHeight, clientHeight } = this._scroller;
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const isZoom = event.ctrlKey || event.metaKey || scrollHeight <= clientHeight + 1;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (isSideways) {
      const by = (event.deltaX === 0 ? event.deltaY : event.deltaX) * lines;
      this._state.viewport = panned(this._state.viewport, by / this._laneWidth);
    } else if (isZoom) {
      const factor = Math.exp(0.002 * lines * event.deltaY);
      this._state.viewport = zoomed(this._state.viewport, factor, this._share(event));
    } else {
      return; // lanes are scrolled
    }
    event.preventDefault();
  };

  private readonly _onPress = (event: PointerEvent): void => {
    if (event.button === 0 && event.target === this._canvas) {
      this._dragged = event.clientX;
      this._canvas.setPointerCapture(event.pointerId);
    }
  };

  private readonly _onMove = (event: PointerEvent): void => {
    if (this._dragged !== null) {
      const by = (this._dragged - event.clientX) / this._laneWidth;
      if (by !== 0) {
        this._state.viewport = panned(this._state.viewport, by);
      }
      this._dragged = event.clientX;
      this._host.classList.add('jp-mod-dragged');
      return;
    }
    const box = this._scroller.getBoundingClientRect();
    this._pointer = event.clientX - box.left;
    const lane = Math.floor((event.clientY - box.top - AXIS + this._scroller.scrollTop) / LANE);
    const isAtLane = event.clientY - box.top > AXIS && this._pointer > GUTTER;
    const engine = isAtLane ? this._model.engines[lane] : undefined;
    this._state.point(engine === undefined ? null : this._spanAt(engine, event));
    this.request();
  };

  private readonly _onRelease = (): void => {
    this._dragged = null;
    this._host.classList.remove('jp-mod-dragged');
  };

  private _spanAt(engine: IEngine, event: PointerEvent): ISpan | null {
    const { begin, end } = this._state.viewport;
    const at = begin + this._share(event) * (end - begin);
    const distance = (NEAR * (end - begin)) / this._laneWidth;
    return spanAt(this._model.spans, engine, at, distance, this._now);
  }

  /** Where in time a pointer is: 0 at the left end of what is in sight, 1 at the right end. */
  private _share(event: MouseEvent): number {
    const left = this._scroller.getBoundingClientRect().left + GUTTER;
    return Math.min(1, Math.max(0, (event.clientX - left) / this._laneWidth));
  }

  private get _laneWidth(): number {
    return Math.max(1, this._scroller.clientWidth - GUTTER);
  }

  private get _now(): number {
    return this._model.serverTime(Date.now() / 1000);
  }

  private readonly _scroller: HTMLDivElement;
  private readonly _canvas: HTMLCanvasElement;
  private readonly _spacer: HTMLDivElement;
  private readonly _tip: HTMLDivElement;
  private readonly _said: HTMLDivElement;
  private readonly _sized: ResizeObserver;
  private readonly _themed: MutationObserver;
  private readonly _stopListening = new AbortController();
  private _frame = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined = undefined;
  private _seen = false;
  private _disposed = false;
  /** Where the pointer was when it was dragged last; null while it is not. */
  private _dragged: number | null = null;
  /** Where the pointer is, in pixels from the left; null while keys are used. */
  private _pointer: number | null = null;
}
