/**
 * The drop-down in a notebook's toolbar: joins what is known, and what is chosen, to the component.
 */
import { HTMLSelect, ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Binding } from './binding';
import { ClusterChoice, lineOf } from './clusterChoice';
import type { ClusterModel } from './model';

export class Chooser extends ReactWidget {
  constructor(
    private readonly _model: ClusterModel,
    private readonly _binding: Binding,
    private readonly _startNew: (binding: Binding) => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Ipcluster-chooserItem');
    this._model.changed.connect(this._redraw);
    this._binding.changed.connect(this._redraw);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._redraw);
      this._binding.changed.disconnect(this._redraw);
      super.dispose();
    }
  }

  protected override render(): React.JSX.Element {
    return (
      <ClusterChoice
        clusters={this._model.clusters}
        chosen={this._binding.cluster}
        choose={cluster => {
          void this._binding.use(cluster);
        }}
        startNew={() => {
          this.update(); // the choice is as it was until the cluster has been started
          this._startNew(this._binding);
        }}
        look={() => {
          void this._binding.look();
        }}
        Select={HTMLSelect}
        trans={this._trans}
      />
    );
  }

  /** Draw what has changed; most news are of what is not shown here. */
  private readonly _redraw = (): void => {
    const lines = this._model.clusters.map(each => `${each.id} ${lineOf(each, this._trans)}`);
    const shown = [this._binding.cluster, ...lines].join('\n');
    if (shown !== this._shown) {
      this._shown = shown;
      this.update();
    }
  };

  private _shown = '';
}
