/**
 * The overview of a cluster: throughput, queue, engines, processors and memory over time.
 */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';

import { Chart, type ILine } from './chart';
import type { ICluster } from './contract';
import { clusterStateText, size } from './figures';
import type { ClusterModel } from './model';
import { ceilingOfBytes, windowOf, type ISample, type Series } from './series';
import { Visibility } from './visibility';

/** The charts move so often, in milliseconds. */
const TICK = 1000;

export class Overview extends ReactWidget {
  /**
   * @param onSeen - Called with whether it is seen, when that has changed.
   */
  constructor(
    private readonly _model: ClusterModel,
    onSeen: (isSeen: boolean) => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Ipcluster-main');
    this.addClass('jp-Ipcluster-overview');
    this.node.tabIndex = 0;
    this._visibility = new Visibility(isSeen => {
      onSeen(isSeen);
      clearInterval(this._ticking);
      if (isSeen) {
        this._ticking = setInterval(() => {
          this.update();
        }, TICK);
      }
    });
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._visibility.end();
      clearInterval(this._ticking);
      super.dispose();
    }
  }

  override processMessage(message: Message): void {
    super.processMessage(message);
    this._visibility.heed(message);
  }

  protected override onActivateRequest(): void {
    this.node.focus();
  }

  protected override render(): React.JSX.Element {
    const cluster = this._model.selected;
    const trans = this._trans;
    if (cluster === null) {
      return <p className="jp-Ipcluster-mainNote">{trans.__('No cluster is running.')}</p>;
    }
    return (
      <OverviewPage
        cluster={cluster}
        series={this._model.recorder.of(cluster.id)}
        now={this._model.serverTime(Date.now() / 1000)}
        trans={trans}
      />
    );
  }

  private readonly _visibility: Visibility;
  private _ticking: ReturnType<typeof setInterval> | undefined = undefined;
}

/** All charts of a cluster. */
export function OverviewPage(props: {
  cluster: ICluster;
  series: Series;
  now: number;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { cluster, series, now, trans } = props;
  const common = { time: { now, seconds: windowOf(series, now) }, trans };
  const counted = (value: number): string => Math.round(value).toLocaleString();
  const rate = (value: number): string =>
    trans.__('%1 a second', value < 10 ? value.toFixed(1) : counted(value));
  const line = (of: keyof ISample, name: string, mod: ILine['mod'] = 'main'): ILine => ({
    name,
    points: series.points(sample => sample[of], now),
    mod
  });
  const rateOf = (of: 'ended' | 'failed', name: string, mod: ILine['mod'] = 'main'): ILine => ({
    name,
    points: series.rates(sample => sample[of], now),
    mod
  });
  return (
    <>
      <header className="jp-Ipcluster-mainHead">
        <h2>{cluster.id}</h2>
        <span className="jp-Ipcluster-meta">{clusterStateText(cluster.state, trans)}</span>
        <span className="jp-Ipcluster-meta">
          {trans.__('%1 tasks ended, %2 failed', counted(cluster.ended), counted(cluster.failed))}
        </span>
      </header>
      <div className="jp-Ipcluster-charts">
        <Chart
          {...common}
          title={trans.__('Throughput')}
          lines={[
            rateOf('ended', trans.__('ended')),
            rateOf('failed', trans.__('failed'), 'failed')
          ]}
          text={rate}
        />
        <Chart
          {...common}
          title={trans.__('Queue')}
          lines={[
            line('queued', trans.__('queued')),
            line('running', trans.__('running'), 'faint')
          ]}
          text={counted}
        />
        <Chart
          {...common}
          title={trans.__('Engines')}
          lines={[line('busy', trans.__('busy')), line('ready', trans.__('ready'), 'faint')]}
          text={counted}
          least={cluster.wanted}
        />
        <Chart
          {...common}
          title={trans.__('Processors')}
          lines={[line('cpu', trans.__('Processors'))]}
          text={value => trans.__('%1 in use', value.toFixed(value < 10 ? 1 : 0))}
          least={1}
        />
        <Chart
          {...common}
          title={trans.__('Memory of Engines')}
          lines={[line('nbytes', trans.__('Memory of Engines'))]}
          text={size}
          topOf={ceilingOfBytes}
        />
      </div>
    </>
  );
}
