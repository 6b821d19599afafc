/**
 * The drop-down with which a notebook chooses its cluster, a function of what is known.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ChangeEvent, ElementType, FocusEvent, SelectHTMLAttributes } from 'react';

import type { ICluster } from './contract';
import { clusterLine, clusterStateText } from './figures';

/** No id of a cluster looks so. */
const NEW = '+';

export function ClusterChoice(props: {
  clusters: readonly ICluster[];
  /** The cluster that is used, empty for whichever there is. */
  chosen: string;
  choose: (cluster: string) => void;
  startNew: () => void;
  look: () => void;
  /** What a drop-down is: JupyterLab's, or a browser's own. */
  Select: ElementType<SelectHTMLAttributes<HTMLSelectElement>>;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { clusters, chosen, Select, trans } = props;
  const used = clusters.find(cluster => cluster.id === chosen);
  const state = used?.state ?? (chosen === '' ? 'none' : 'over');
  return (
    <span className="jp-Ipcluster-chooser" title={toldOf(used, chosen, trans)}>
      <span className={`jp-Ipcluster-dot jp-mod-${state}`} aria-hidden="true" />
      <Select
        value={chosen}
        aria-label={trans.__('Engines of this notebook')}
        onFocus={(event: FocusEvent) => {
          event.stopPropagation(); // else the toolbar takes the focus
          props.look();
        }}
        onChange={(event: ChangeEvent<HTMLSelectElement>) => {
          const { value } = event.currentTarget;
          if (value === NEW) {
            props.startNew();
          } else {
            props.choose(value);
          }
        }}
      >
        <option value="">{trans.__('Engines: automatic')}</option>
        {clusters
          .filter(cluster => cluster.state !== 'failed')
          .map(cluster => (
            <option key={cluster.id} value={cluster.id}>
              {`${cluster.id}: ${lineOf(cluster, trans)}`}
            </option>
          ))}
        {used === undefined && chosen !== '' && (
          <option value={chosen}>{trans.__('%1: not running', chosen)}</option>
        )}
        <option value={NEW}>{trans.__('New Cluster…')}</option>
      </Select>
    </span>
  );
}

/** A cluster in a few words. */
export function lineOf(cluster: ICluster, trans: TranslationBundle): string {
  return cluster.state === 'ready'
    ? clusterLine({ ...cluster, busy: 0, queued: 0 }, trans)
    : clusterStateText(cluster.state, trans);
}

function toldOf(used: ICluster | undefined, chosen: string, trans: TranslationBundle): string {
  if (chosen === '') {
    return trans.__('%%%%px uses the youngest cluster that runs, or starts one');
  }
  return used === undefined
    ? trans.__('%%%%px is to use %1, which does not run', chosen)
    : trans.__('%%%%px uses %1: %2', chosen, lineOf(used, trans));
}
