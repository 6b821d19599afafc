import { nullTranslator } from '@jupyterlab/translation';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it, vi } from 'vitest';

import { Actions, type Asks, type IDoors } from '../src/actions';
import type { ICluster, IEngine, IWork } from '../src/contract';
import { ClusterModel } from '../src/model';
import { Panel, type IPanelProps } from '../src/panel';
import { View, type IView } from '../src/view';

const HOSTILE = '<img src=x onerror="alert(1)">';

const CLUSTER: ICluster = {
  id: 'demo',
  state: 'ready',
  profile: '',
  host: 'here',
  wanted: 4,
  ready: 4,
  busy: 0,
  queued: 0,
  running: 0,
  ended: 0,
  failed: 0,
  owner: 0,
  startedAt: 0,
  startedBy: '',
  connectionFile: '',
  error: '',
  log: ''
};

const ENGINE: IEngine = {
  id: 0,
  state: 'busy',
  host: 'here',
  pid: 17,
  label: 'fit',
  since: 940,
  queued: 0,
  ended: 12,
  failed: 2,
  cpu: 0.5,
  nbytes: 300 * 1024 * 1024,
  limit: 0,
  reason: ''
};

const WORK: IWork = {
  number: 1,
  session: 'a.ipynb',
  label: '',
  name: 'fit',
  kind: 'map',
  done: 30,
  failed: 10,
  cancelled: 0,
  running: 4,
  queued: 56,
  began: 980,
  ended: 0,
  error: 'ValueError: too short\n  in fit'
};

const { actions, view } = (() => {
  const [model, view] = [new ClusterModel(), new View()];
  const api = vi.fn() as unknown as Asks;
  return { view, actions: new Actions(model, view, api, vi.fn() as unknown as IDoors, '') };
})();

function markup(props: Partial<IPanelProps>, shown: Partial<IView> = {}): string {
  const all: IPanelProps = {
    clusters: [],
    selected: props.clusters?.[0] ?? null,
    engines: [],
    work: [],
    reach: 'open',
    trouble: '',
    view: { ...view.now, ...shown },
    now: 1000,
    actions,
    trans: nullTranslator.load(''),
    ...props
  };
  return renderToStaticMarkup(<Panel {...all} />);
}

/** What a reader sees: the texts, one after the other. */
function text(html: string): string {
  return html
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

describe('the panel', () => {
  it('says how to begin where nothing runs', () => {
    expect(text(markup({}))).toContain('No engines are running. Press New');
  });

  it('says that the server cannot be reached, and what went wrong', () => {
    const html = text(markup({ reach: 'lost', trouble: 'cluster demo is stopping' }));

    expect(html).toContain('The server cannot be reached');
    expect(html).toContain('cluster demo is stopping');
  });

  it('offers a form with the profiles, those that cannot be used being marked', () => {
    const profiles = {
      processors: 4,
      profiles: [
        { name: 'slurm', description: '', launcher: 'slurm', n: 8, error: '' },
        { name: 'old', description: '', launcher: 'local', n: null, error: 'line 3' }
      ]
    };
    const html = markup({}, { profiles, draft: { profile: 'slurm', n: 8 } });

    expect(html).toContain('<option value="slurm" title="" selected="">slurm</option>');
    expect(html).toContain('old (cannot be used)');
    expect(html).toMatch(/<input name="n" type="number"[^>]* value="8"/);
  });
});

describe('a cluster', () => {
  it('that starts can be cancelled, not scaled', () => {
    const cluster: ICluster = { ...CLUSTER, state: 'starting', ready: 1 };
    const html = markup({ clusters: [cluster], selected: null });

    expect(text(html)).toContain('demo starting 1 of 4 engines Cancel');
    expect(html).not.toContain('One Engine More');
  });

  it('that failed says why, and can be dismissed', () => {
    const cluster: ICluster = { ...CLUSTER, state: 'failed', error: 'no room', log: 'agent: x' };
    const html = text(markup({ clusters: [cluster] }));

    expect(html).toContain('no room What its processes said agent: x Dismiss');
    expect(html).not.toContain('Tasks');
  });

  it('that is selected can be scaled, restarted and stopped', () => {
    const html = markup({ clusters: [CLUSTER] });

    for (const label of ['One Engine More', 'Restart All Engines…', 'Stop Cluster…']) {
      expect(html).toContain(`aria-label="${label}"`);
    }
  });

  it('is stopped after a question, in place', () => {
    const question = { cluster: 'demo', engine: null, what: 'stop' } as const;
    const html = text(markup({ clusters: [{ ...CLUSTER, running: 3 }] }, { question }));

    expect(html).toContain('Stop demo? 3 tasks are running. Stop Keep');
  });

  it('shows the number that was asked for until it is had', () => {
    const html = markup({ clusters: [CLUSTER] }, { scaling: { demo: 7 } });

    expect(html).toMatch(/aria-label="Number of engines" value="7"/);
  });
});

describe('an engine', () => {
  const shown = { clusters: [CLUSTER], engines: [ENGINE] };

  it('has a row with its state, what it runs, and its figures', () => {
    expect(text(markup(shown))).toContain('0 busy fit 1 min 00 s 10 +2 50 % 300 MiB');
  });

  it('that is chosen tells all, and what can be done to it', () => {
    const html = text(markup(shown, { engine: 0 }));

    expect(html).toContain('busy for 1 min 00 s');
    expect(html).toContain('here process 17 Interrupt Console Log Restart… Stop…');
  });

  it('is a square, too, where there are many', () => {
    const engines = Array.from({ length: 200 }, (_, id) => ({ ...ENGINE, id }));
    const html = markup({ ...shown, engines });

    expect(html.match(/jp-Ipcluster-square/g)).toHaveLength(200);
    expect(html.match(/aria-rowindex/g)).toHaveLength(1 + 18);
    expect(html).toContain('aria-rowcount="201"');
  });
});

describe('work', () => {
  it('tells how far it is, how fast it goes, and whose it is', () => {
    const html = text(markup({ clusters: [CLUSTER], work: [WORK] }));

    expect(html).toContain('fit 40 / 100 10 failed 4 running · 2.0 a second · 30 s left a.ipynb');
    expect(html).toContain('ValueError: too short in fit');
  });

  it('that is over tells how long it took', () => {
    const over = { ...WORK, running: 0, queued: 0, ended: 1000 };

    expect(text(markup({ clusters: [CLUSTER], work: [over] }))).toContain('in 20 s');
  });
});

it('writes hostile texts as texts, wherever they come from', () => {
  const html = markup(
    {
      trouble: HOSTILE,
      clusters: [
        { ...CLUSTER, profile: HOSTILE, startedBy: HOSTILE, error: HOSTILE },
        { ...CLUSTER, id: 'other', state: 'failed', error: HOSTILE, log: HOSTILE }
      ],
      engines: [{ ...ENGINE, label: HOSTILE, host: HOSTILE, reason: HOSTILE }],
      work: [{ ...WORK, label: HOSTILE, session: HOSTILE, error: HOSTILE }]
    },
    { engine: 0, log: { cluster: 'demo', engine: 0, text: HOSTILE } }
  );

  expect(html).not.toContain('<img');
  expect(html.match(/&lt;img src=x/g)?.length).toBeGreaterThan(12);
});
