/**
 * Many engines at one glance: a square each. Whoever uses the keyboard has the table.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import type { IEngine } from './contract';
import { engineStateText, percent, size } from './figures';

/** From so many engines on there is a map of them. */
export const MANY_ENGINES = 65;

export function HeatMap(props: {
  engines: readonly IEngine[];
  chosen: number | null;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { engines, chosen, actions, trans } = props;
  return (
    <div className="jp-Ipcluster-heatMap" role="group" aria-label={trans.__('Map of engines')}>
      {engines.map(engine => (
        <button
          key={engine.id}
          type="button"
          tabIndex={-1}
          data-engine={engine.id}
          className={`jp-Ipcluster-square jp-mod-${engine.state}`}
          aria-label={details(engine, trans)}
          aria-pressed={engine.id === chosen}
          title={details(engine, trans)}
          onClick={() => {
            actions.choose(engine.id);
          }}
        />
      ))}
    </div>
  );
}

function details(engine: IEngine, trans: TranslationBundle): string {
  const parts = [trans.__('Engine %1', engine.id), engineStateText(engine.state, trans)];
  if (engine.label !== '') {
    parts.push(engine.label);
  }
  if (engine.cpu !== null) {
    parts.push(percent(engine.cpu));
  }
  if (engine.nbytes !== null) {
    parts.push(size(engine.nbytes));
  }
  return parts.join(' · ');
}
