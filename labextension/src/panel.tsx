/**
 * The whole panel, a function of what is known and what is open.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { IconButton } from './button';
import { ClusterList } from './clusterList';
import type { ICluster, IEngine, IWork } from './contract';
import { EngineCard } from './engineCard';
import { EngineTable } from './engineTable';
import { HeatMap, MANY_ENGINES } from './heatMap';
import { Icon } from './icons';
import type { Reach } from './model';
import { NewCluster } from './newCluster';
import type { IView } from './view';
import { WorkList } from './workList';

export interface IPanelProps {
  clusters: readonly ICluster[];
  selected: ICluster | null;
  engines: readonly IEngine[];
  work: readonly IWork[];
  reach: Reach;
  trouble: string;
  view: IView;
  /** What time it is on the server, in seconds since 1970. */
  now: number;
  actions: Actions;
  trans: TranslationBundle;
}

export function Panel(props: IPanelProps): React.JSX.Element {
  const { selected, reach, trouble, actions, trans } = props;
  return (
    <>
      {reach === 'lost' && (
        <p className="jp-Ipcluster-notice" role="status">
          {trans.__('The server cannot be reached; what is shown may be old.')}
        </p>
      )}
      {trouble !== '' && (
        <div className="jp-Ipcluster-trouble" role="alert">
          <span>{trouble}</span>
          <IconButton icon="close" label={trans.__('Dismiss')} onClick={actions.dismissTrouble} />
        </div>
      )}
      <Clusters {...props} />
      {selected !== null && selected.state !== 'failed' && (
        <>
          <Engines {...props} cluster={selected.id} />
          <Tasks {...props} />
        </>
      )}
    </>
  );
}

function Clusters(props: IPanelProps): React.JSX.Element {
  const { clusters, selected, reach, view, now, actions, trans } = props;
  const { draft, profiles } = view;
  const isEmpty = clusters.length === 0 && draft === null && reach === 'open';
  return (
    <section className="jp-Ipcluster-section" aria-label={trans.__('Clusters')}>
      <h2>
        {trans.__('Clusters')}
        <button
          type="button"
          className="jp-Ipcluster-button"
          title={trans.__('Start a new cluster')}
          onClick={() => {
            void actions.openForm();
          }}
        >
          <Icon name="add" />
          {trans.__('New')}
        </button>
      </h2>
      {draft !== null && profiles !== null && (
        <NewCluster
          draft={draft}
          profiles={profiles}
          asking={view.asking}
          actions={actions}
          trans={trans}
        />
      )}
      {isEmpty && (
        <p className="jp-Ipcluster-hint">
          {trans.__(
            'No engines are running. Press New to start some; those of notebooks and terminals appear here, too.'
          )}
        </p>
      )}
      {reach === 'connecting' && (
        <p className="jp-Ipcluster-hint">{trans.__('Asking the server…')}</p>
      )}
      <ClusterList
        clusters={clusters}
        selected={selected?.id ?? null}
        view={view}
        now={now}
        actions={actions}
        trans={trans}
      />
    </section>
  );
}

function Engines(props: IPanelProps & { cluster: string }): React.JSX.Element {
  const { cluster, engines, view, now, actions, trans } = props;
  const chosen = engines.find(engine => engine.id === view.engine);
  return (
    <section className="jp-Ipcluster-section" aria-label={trans.__('Engines')}>
      <h2>
        {trans.__('Engines')}
        <span className="jp-Ipcluster-badge">{engines.length}</span>
      </h2>
      {engines.length >= MANY_ENGINES && (
        <HeatMap engines={engines} chosen={view.engine} actions={actions} trans={trans} />
      )}
      {engines.length > 0 ? (
        <EngineTable
          engines={engines}
          chosen={view.engine}
          sort={view.sort}
          firstRow={view.firstRow}
          now={now}
          actions={actions}
          trans={trans}
        />
      ) : (
        <p className="jp-Ipcluster-hint">{trans.__('None yet.')}</p>
      )}
      {chosen !== undefined && (
        <EngineCard
          key={`${cluster} ${String(chosen.id)}`}
          cluster={cluster}
          engine={chosen}
          view={view}
          now={now}
          actions={actions}
          trans={trans}
        />
      )}
    </section>
  );
}

function Tasks({ work, now, trans }: IPanelProps): React.JSX.Element {
  return (
    <section className="jp-Ipcluster-section" aria-label={trans.__('Tasks')}>
      <h2>
        {trans.__('Tasks')}
        <span className="jp-Ipcluster-badge">{work.length}</span>
      </h2>
      {work.length > 0 ? (
        <WorkList work={work} now={now} trans={trans} />
      ) : (
        <p className="jp-Ipcluster-hint">{trans.__('Nothing has been sent to the engines.')}</p>
      )}
    </section>
  );
}
