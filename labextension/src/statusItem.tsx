/**
 * The line in the status bar: how many engines there are, and what they do.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';

import { totalLine } from './figures';
import type { ClusterModel } from './model';

export class StatusItem extends ReactWidget {
  /**
   * @param _open - Opens the panel.
   */
  constructor(
    private readonly _model: ClusterModel,
    private readonly _open: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-mod-highlighted');
    this._model.changed.connect(this._onChange);
  }

  /** Whether there is something to tell. */
  get isActive(): boolean {
    return this._line !== '';
  }

  /** Emitted when there is something to tell at last, or no longer. */
  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._onChange);
      Signal.clearData(this);
      super.dispose();
    }
  }

  protected override render(): React.JSX.Element {
    return (
      <button
        type="button"
        className="jp-Ipcluster-statusItem"
        title={this._trans.__('Open the panel of parallel engines')}
        onClick={this._open}
      >
        {this._line}
      </button>
    );
  }

  private readonly _onChange = (): void => {
    const line = totalLine(this._model.clusters, this._trans);
    if (line === this._line) {
      return;
    }
    const wasActive = this.isActive;
    this._line = line;
    this.update();
    if (wasActive !== this.isActive) {
      this._activeChanged.emit();
    }
  };

  private readonly _activeChanged = new Signal<this, void>(this);
  private _line = '';
}
