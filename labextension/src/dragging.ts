/**
 * Rows of clusters that can be dragged into a notebook, where they become a cell that connects.
 */
import { MimeData } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Drag } from '@lumino/dragdrop';

import { connectCode } from './text';

/** What notebooks take as cells. */
export const CELLS_MIME = 'application/vnd.jupyter.cells';
/** A press becomes a drag after so many pixels. */
const FAR_ENOUGH = 5;

/** What a drag of a cluster carries: a cell for notebooks, its code for everything else. */
export function carried(cluster: string): MimeData {
  const source = connectCode(cluster);
  const cell = {
    cell_type: 'code',
    source,
    metadata: { trusted: true },
    outputs: [],
    execution_count: null
  };
  const data = new MimeData();
  data.setData(CELLS_MIME, [cell]);
  data.setData('text/plain', source);
  return data;
}

export class RowDrag implements IDisposable {
  /**
   * @param _node - Has the rows in it, each with its cluster's id in `data-cluster`.
   */
  constructor(private readonly _node: HTMLElement) {
    this._node.addEventListener('mousedown', this._onDown);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this._node.removeEventListener('mousedown', this._onDown);
    this._forget();
  }

  private readonly _onDown = (event: MouseEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    const head = target?.closest<HTMLElement>('.jp-Ipcluster-clusterHead');
    const cluster = head?.closest<HTMLElement>('[data-cluster]')?.dataset['cluster'];
    if (event.button !== 0 || head === null || head === undefined || cluster === undefined) {
      return;
    }
    this._pressed = { cluster, head, x: event.clientX, y: event.clientY };
    document.addEventListener('mousemove', this._onMove, true);
    document.addEventListener('mouseup', this._forget, true);
  };

  private readonly _onMove = (event: MouseEvent): void => {
    const pressed = this._pressed;
    if (
      pressed === null ||
      Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < FAR_ENOUGH
    ) {
      return;
    }
    event.preventDefault();
    this._forget();
    const drag = new Drag({
      mimeData: carried(pressed.cluster),
      dragImage: imageOf(pressed.head),
      proposedAction: 'copy',
      supportedActions: 'copy',
      source: this
    });
    void drag.start(event.clientX, event.clientY).then(() => {
      drag.dispose();
    });
  };

  private readonly _forget = (): void => {
    this._pressed = null;
    document.removeEventListener('mousemove', this._onMove, true);
    document.removeEventListener('mouseup', this._forget, true);
  };

  private _pressed: { cluster: string; head: HTMLElement; x: number; y: number } | null = null;
  private _disposed = false;
}

function imageOf(head: HTMLElement): HTMLElement {
  const image = document.createElement('div');
  image.className = 'jp-Ipcluster-dragImage';
  image.textContent = head.querySelector('.jp-Ipcluster-name')?.textContent ?? '';
  return image;
}
