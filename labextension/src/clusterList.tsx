/**
 * The clusters, and what can be done to each.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { IconButton, TextButton } from './button';
import type { ICluster } from './contract';
import { clusterLine, clusterStateText, moment } from './figures';
import { LogBox } from './logBox';
import { Question } from './question';
import type { IView } from './view';

interface IShared {
  view: IView;
  /** What time it is on the server. */
  now: number;
  actions: Actions;
  trans: TranslationBundle;
}

export function ClusterList(
  props: IShared & { clusters: readonly ICluster[]; selected: string | null }
): React.JSX.Element {
  const { clusters, selected, ...shared } = props;
  return (
    <ul className="jp-Ipcluster-clusters" aria-label={shared.trans.__('Clusters')}>
      {clusters.map(cluster => (
        <ClusterItem
          key={cluster.id}
          {...shared}
          cluster={cluster}
          isSelected={cluster.id === selected}
        />
      ))}
    </ul>
  );
}

function ClusterItem(
  props: IShared & { cluster: ICluster; isSelected: boolean }
): React.JSX.Element {
  const { cluster, isSelected, view, actions, trans } = props;
  const { question, log } = view;
  return (
    <li
      className={`jp-Ipcluster-cluster${isSelected ? ' jp-mod-selected' : ''}`}
      data-cluster={cluster.id}
    >
      <button
        type="button"
        className="jp-Ipcluster-clusterHead"
        aria-pressed={isSelected}
        title={facts(cluster, trans)}
        onClick={() => {
          actions.select(cluster.id);
        }}
      >
        <span className={`jp-Ipcluster-dot jp-mod-${cluster.state}`} aria-hidden="true" />
        <span className="jp-Ipcluster-name">{cluster.id}</span>
        <span className="jp-Ipcluster-state">{clusterStateText(cluster.state, trans)}</span>
        <span className="jp-Ipcluster-line">{headLine(cluster, trans)}</span>
        <span className="jp-Ipcluster-meta">{originOf(props)}</span>
      </button>
      {cluster.state === 'starting' && <Starting {...props} />}
      {cluster.state === 'failed' && <Failure {...props} />}
      {isSelected && isSteerable(cluster) && <Tools {...props} />}
      {question?.cluster === cluster.id && question.engine === null && (
        <Question
          question={question}
          text={questionText(cluster, question.what, trans)}
          actions={actions}
          trans={trans}
        />
      )}
      {cluster.state !== 'failed' && cluster.error !== '' && (
        <p className="jp-Ipcluster-error">{cluster.error}</p>
      )}
      {log?.cluster === cluster.id && log.engine === null && (
        <LogBox log={log} actions={actions} trans={trans} />
      )}
    </li>
  );
}

/** How far a start is, and the way out of it. */
function Starting({ cluster, actions, trans }: { cluster: ICluster } & IShared): React.JSX.Element {
  return (
    <div className="jp-Ipcluster-starting">
      <progress
        max={Math.max(1, cluster.wanted)}
        {...(cluster.ready > 0 ? { value: cluster.ready } : {})}
        aria-label={trans.__('%1 of %2 engines are ready', cluster.ready, cluster.wanted)}
      />
      <TextButton label={trans.__('Cancel')} onClick={() => actions.stop(cluster.id)} />
    </div>
  );
}

/** Why it could not start. */
function Failure({ cluster, actions, trans }: { cluster: ICluster } & IShared): React.JSX.Element {
  return (
    <div className="jp-Ipcluster-failure" role="alert">
      <p className="jp-Ipcluster-error">{cluster.error}</p>
      {cluster.log !== '' && (
        <details>
          <summary>{trans.__('What its processes said')}</summary>
          <pre tabIndex={0}>{cluster.log}</pre>
        </details>
      )}
      <TextButton label={trans.__('Dismiss')} onClick={() => actions.stop(cluster.id)} />
    </div>
  );
}

function Tools(props: { cluster: ICluster } & IShared): React.JSX.Element {
  const { cluster, actions, trans } = props;
  const ask = (what: 'restart' | 'stop') => () =>
    actions.ask({ cluster: cluster.id, engine: null, what });
  return (
    <div className="jp-Ipcluster-tools" role="toolbar" aria-label={trans.__('Cluster')}>
      <Stepper {...props} />
      <span className="jp-Ipcluster-space" />
      <IconButton
        icon="use"
        label={trans.__('Use in This Notebook')}
        onClick={() => actions.use(cluster.id)}
      />
      <IconButton
        icon="code"
        label={trans.__('Insert Code That Connects')}
        onClick={() => {
          actions.insertCode(cluster.id);
        }}
      />
      <IconButton
        icon="log"
        label={trans.__('Show Log')}
        onClick={() => actions.showLog(cluster.id, null)}
      />
      <IconButton
        icon="restart"
        label={trans.__('Restart All Engines…')}
        onClick={ask('restart')}
      />
      <IconButton icon="stop" label={trans.__('Stop Cluster…')} onClick={ask('stop')} />
    </div>
  );
}

/** How many engines there shall be: one more, one less, or a number. */
function Stepper({
  cluster,
  view,
  actions,
  trans
}: { cluster: ICluster } & IShared): React.JSX.Element {
  const n = view.scaling[cluster.id] ?? cluster.wanted;
  const scaleTo = (wanted: number): void => {
    if (wanted !== n) {
      actions.scale(cluster.id, wanted);
    }
  };
  return (
    <span className="jp-Ipcluster-stepper" role="group" aria-label={trans.__('Number of engines')}>
      <IconButton
        icon="remove"
        label={trans.__('One Engine Less')}
        disabled={n === 0}
        onClick={() => {
          scaleTo(n - 1);
        }}
      />
      <input
        key={n}
        type="number"
        min={0}
        aria-label={trans.__('Number of engines')}
        defaultValue={n}
        onBlur={event => {
          scaleTo(event.currentTarget.valueAsNumber);
        }}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            scaleTo(event.currentTarget.valueAsNumber);
          }
        }}
      />
      <IconButton
        icon="add"
        label={trans.__('One Engine More')}
        onClick={() => {
          scaleTo(n + 1);
        }}
      />
    </span>
  );
}

function isSteerable(cluster: ICluster): boolean {
  return cluster.state !== 'stopping' && cluster.state !== 'failed';
}

function headLine(cluster: ICluster, trans: TranslationBundle): string {
  return cluster.state === 'failed' || cluster.state === 'stopping'
    ? ''
    : clusterLine(cluster, trans);
}

/** Its profile, who started it, and when. */
function originOf({ cluster, now, trans }: { cluster: ICluster } & IShared): string {
  const parts = [cluster.profile, whereOf(cluster, trans), cluster.startedBy].filter(
    text => text !== ''
  );
  if (cluster.startedAt > 0) {
    parts.push(trans.__('since %1', moment(cluster.startedAt, now)));
  }
  return parts.join(' · ');
}

/** What has started its engines, and on how many hosts. */
function whereOf({ launchers, hosts, host }: ICluster, trans: TranslationBundle): string {
  if (launchers.length === 0) {
    return hosts > 1 ? trans.__('%1 hosts', hosts) : trans.__('on this host');
  }
  const names = [...new Set(launchers)].join(', ');
  if (hosts > 1) {
    return trans.__('%1 on %2 hosts', names, hosts);
  }
  return hosts === 1 ? trans.__('%1 on %2', names, host) : names;
}

/** What is told of it to those who point at it. */
function facts(cluster: ICluster, trans: TranslationBundle): string {
  const lines = [trans.__('Cluster %1', cluster.id)];
  if (cluster.host !== '') {
    lines.push(trans.__('Host: %1', cluster.host));
  }
  lines.push(
    cluster.owner > 0
      ? trans.__('It ends with process %1.', cluster.owner)
      : trans.__('It runs until it is stopped.'),
    cluster.connectionFile
  );
  return lines.join('\n');
}

function questionText(
  cluster: ICluster,
  what: 'restart' | 'stop',
  trans: TranslationBundle
): string {
  if (what === 'stop') {
    return cluster.running > 0
      ? trans.__('Stop %1? %2 tasks are running.', cluster.id, cluster.running)
      : trans.__('Stop %1? Its engines lose what they hold.', cluster.id);
  }
  return trans.__('Restart all engines of %1? They lose what they hold.', cluster.id);
}
