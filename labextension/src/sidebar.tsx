/**
 * The panel at the side: joins what is known, and what is open, to the components.
 */
import { LabIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Actions } from './actions';
import { RowDrag } from './dragging';
import { PANEL_SVG } from './icons';
import type { ClusterModel } from './model';
import { Panel } from './panel';
import type { View } from './view';
import type { WorkActions } from './workActions';

export const PANEL_ID = 'ipcluster-ext-panel';
/** Between the extensions of JupyterLab and those that are rarely used. */
export const PANEL_RANK = 550;

export const panelIcon = new LabIcon({ name: 'ipcluster-ext:engines', svgstr: PANEL_SVG });

/** While something runs, what depends on the time is drawn so often, in milliseconds. */
const TICK = 1000;

export class Sidebar extends ReactWidget {
  constructor(
    private readonly _model: ClusterModel,
    private readonly _view: View,
    private readonly _does: { readonly actions: Actions; readonly works: WorkActions },
    private readonly _trans: TranslationBundle,
    private readonly _onOpen: (what: 'timeline' | 'overview') => void
  ) {
    super();
    this.id = PANEL_ID;
    this.title.icon = panelIcon;
    this.title.caption = this._trans.__('Parallel engines');
    this.addClass('jp-Ipcluster-panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this._trans.__('Parallel engines'));
    this._drag = new RowDrag(this.node);
    this._model.changed.connect(this._redraw);
    this._view.changed.connect(this._redraw);
  }

  /** Emitted with whether it is seen, when that has changed. */
  get seen(): ISignal<this, boolean> {
    return this._seen;
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    clearInterval(this._ticking);
    this._drag.dispose();
    this._model.changed.disconnect(this._redraw);
    this._view.changed.disconnect(this._redraw);
    Signal.clearData(this);
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    const model = this._model;
    return (
      <Panel
        clusters={model.clusters}
        selected={model.selected}
        engines={model.engines}
        lines={model.lines}
        work={model.work}
        reach={model.reach}
        trouble={model.trouble}
        view={this._view.now}
        now={model.serverTime(Date.now() / 1000)}
        actions={this._does.actions}
        works={this._does.works}
        onOpen={this._onOpen}
        trans={this._trans}
      />
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._ticking = setInterval(() => {
      if (this._model.isAtWork && !document.hidden) {
        this.update();
      }
    }, TICK);
    this.update();
    this._seen.emit(true);
  }

  protected override onBeforeHide(message: Message): void {
    super.onBeforeHide(message);
    clearInterval(this._ticking);
    this._seen.emit(false);
  }

  private readonly _redraw = (): void => {
    if (this.isVisible) {
      this.update();
    }
  };

  private readonly _drag: RowDrag;
  private readonly _seen = new Signal<this, boolean>(this);
  private _ticking: ReturnType<typeof setInterval> | undefined = undefined;
}
