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
import type { WorkActions } from './workActions';
import { WorkList } from './workList';

export interface IPanelProps {
  clusters: readonly ICluster[];
  selected: ICluster | null;
  engines: readonly IEngine[];
  /** The last line that each engine wrote, by id. */
  lines: ReadonlyMap<number, string>;
  work: readonly IWork[];
  reach: Reach;
  trouble: string;
  view: IView;
  /** What time it is on the server, in seconds since 1970. */
  now: number;
  actions: Actions;
  works: WorkActions;
  /** Opens what is seen in the main area. */
  onOpen: (what: 'timeline' | 'overview') => void;
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
          fault={view.fault}
          asking={view.asking}
          actions={actions}
          trans={trans}
        />
      )}
      {isEmpty && (
        <div className="jp-Ipcluster-hint">
          <p>
            {trans.__(
              'No engines are running. Press New to say what they are like; those of notebooks and terminals appear here, too.'
            )}
          </p>
          <button
            type="button"
            className="jp-Ipcluster-button jp-mod-accept"
            onClick={() => {
              void actions.startUsual();
            }}
          >
            {trans.__('Start Engines')}
          </button>
        </div>
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
  const { cluster, engines, lines, view, now, actions, trans } = props;
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
          lines={lines}
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
          line={lines.get(chosen.id) ?? ''}
          view={view}
          now={now}
          actions={actions}
          trans={trans}
        />
      )}
    </section>
  );
}

function Tasks({ work, view, now, works, onOpen, trans }: IPanelProps): React.JSX.Element {
  return (
    <section className="jp-Ipcluster-section" aria-label={trans.__('Tasks')}>
      <h2>
        {trans.__('Tasks')}
        <span className="jp-Ipcluster-badge">{work.length}</span>
        <span className="jp-Ipcluster-headTools">
          <IconButton
            icon="timeline"
            label={trans.__('Open Task Timeline')}
            onClick={() => {
              onOpen('timeline');
            }}
          />
          <IconButton
            icon="overview"
            label={trans.__('Open Cluster Overview')}
            onClick={() => {
              onOpen('overview');
            }}
          />
        </span>
      </h2>
      {work.length > 0 ? (
        <WorkList work={work} view={view} now={now} works={works} trans={trans} />
      ) : (
        <p className="jp-Ipcluster-hint">{trans.__('Nothing has been sent to the engines.')}</p>
      )}
    </section>
  );
}
