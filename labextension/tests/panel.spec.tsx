import { nullTranslator } from '@jupyterlab/translation';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it, vi } from 'vitest';

import { Actions, type Asks, type IDoors } from '../src/actions';
import type { Api } from '../src/api';
import type { ICluster, IProfiles, IWork } from '../src/contract';
import { ClusterModel } from '../src/model';
import { Panel, type IPanelProps } from '../src/panel';
import { View, type IView } from '../src/view';
import { WorkActions } from '../src/workActions';
import { cluster, engine, work } from './samples';

const HOSTILE = '<img src=x onerror="alert(1)">';

const CLUSTER = cluster({ host: 'here' });

const ENGINE = engine(0, {
  state: 'busy',
  host: 'here',
  pid: 17,
  label: 'fit',
  since: 940,
  ended: 12,
  failed: 2,
  cpu: 0.5,
  nbytes: 300 * 1024 * 1024
});

const WORK = work(1, {
  session: 'a.ipynb',
  done: 30,
  failed: 10,
  running: 4,
  queued: 56,
  began: 980,
  error: 'ValueError: too short\n  in fit'
});

const PROFILE = {
  name: 'usual',
  description: '',
  launcher: 'local',
  n: null,
  error: '',
  options: {},
  beyond: []
};

const FIELD = { help: '', choices: [], usual: false };

const { actions, works, view } = (() => {
  const [model, view] = [new ClusterModel(), new View()];
  const api = vi.fn() as unknown as Asks;
  const doors = vi.fn() as unknown as IDoors;
  const works = new WorkActions(model, view, vi.fn() as unknown as Api, doors, '');
  return { view, works, actions: new Actions(model, view, api, doors, '') };
})();

function markup(props: Partial<IPanelProps>, shown: Partial<IView> = {}): string {
  const all: IPanelProps = {
    clusters: [],
    selected: props.clusters?.[0] ?? null,
    engines: [],
    lines: new Map(),
    work: [],
    reach: 'open',
    trouble: '',
    view: { ...view.now, ...shown },
    now: 1000,
    actions,
    works,
    onOpen: vi.fn(),
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
        { ...PROFILE, name: 'slurm', launcher: 'slurm', n: 8 },
        { ...PROFILE, name: 'old', error: 'line 3' }
      ],
      launchers: []
    };
    const draft = { profile: 'slurm', n: 8, launcher: 'slurm', options: {} };
    const html = markup({}, { profiles, draft });

    expect(html).toContain('<option value="slurm" title="" selected="">slurm</option>');
    expect(html).toContain('old (cannot be used)');
    expect(html).toMatch(/<input name="n" type="number"[^>]* value="8"/);
  });
});

describe('the options of a launcher', () => {
  const profiles = {
    profiles: [{ ...PROFILE, name: 'lab', launcher: 'ssh', options: { hosts: ['n1', 'n2:4'] } }],
    processors: 4,
    launchers: [
      { name: 'local', about: 'Engines on this host.', missing: '', fields: [] },
      {
        name: 'ssh',
        about: 'Engines on hosts.',
        missing: 'there is no ssh',
        fields: [
          { ...FIELD, name: 'hosts', kind: 'list', value: [], usual: true },
          { ...FIELD, name: 'connect_timeout', kind: 'integer', value: 10 },
          {
            ...FIELD,
            name: 'tunnel',
            kind: 'choice',
            value: 'auto',
            choices: ['auto', 'never'],
            help: 'how'
          }
        ]
      }
    ]
  } satisfies IProfiles;
  const draft = { profile: 'lab', n: 5, launcher: 'ssh', options: {} };

  it('are filled in as the profile has them, those that few need being folded away', () => {
    const html = markup({}, { profiles, draft });
    const [front, folded] = html.split('<summary>More options</summary>');

    expect(front).toMatch(/<textarea name="option-hosts"[^>]*>n1\nn2:4<\/textarea>/);
    expect(folded).toMatch(/<input name="option-connect_timeout"[^>]* value="10"/);
    expect(folded).toContain('<option selected="">auto</option>');
  });

  it('are called as people call them, and explained; their names are beside', () => {
    const html = markup({}, { profiles, draft });

    expect(html).toContain('<label title="connect_timeout"><span>Seconds to connect</span>');
    expect(html).toContain('aria-describedby="jp-Ipcluster-option-tunnel-help"');
    expect(html).toContain(
      '<p id="jp-Ipcluster-option-tunnel-help" class="jp-Ipcluster-about">how</p>'
    );
    expect(html).toMatch(/name="option-hosts"(?![^>]*aria-describedby)/); // nothing explains it here
  });

  it('are not there for engines on this host', () => {
    const html = markup({}, { profiles, draft: { ...draft, launcher: 'local' } });

    expect(html).not.toContain('option-hosts');
    expect(text(html)).toContain('Engines on this host.');
  });

  it('come with what is missing here', () => {
    const html = text(markup({}, { profiles, draft }));

    expect(html).toContain('ssh (not ready here)');
    expect(html).toContain('there is no ssh');
  });

  it('say what is wrong where it is wrong, and are shown then', () => {
    const fault = { field: 'connect_timeout', text: `Expected int ${HOSTILE}` };
    const html = markup({}, { profiles, draft, fault });

    expect(html).toContain('<details open="">');
    expect(html).toMatch(
      /name="option-connect_timeout"[^>]* aria-invalid="true" aria-describedby="(.*?)"/
    );
    expect(html).toContain('role="alert">Expected int &lt;img');
  });

  it('say what is wrong below where that is no field', () => {
    const fault = { field: 'gone', text: 'there is no option gone' };

    expect(text(markup({}, { profiles, draft, fault }))).toContain('there is no option gone Start');
  });
});

it('says in its card why an engine can have no console', () => {
  const shown = { engine: 0, noConsole: 'it is on another host' };
  const html = markup({ clusters: [CLUSTER], engines: [ENGINE] }, shown);

  expect(html).toContain('role="alert">it is on another host</p>');
});

describe('a cluster', () => {
  it.each([
    [[], 1, 'on this host'],
    [[], 2, '2 hosts'],
    [['ssh'], 0, 'ssh'],
    [['ssh'], 1, 'ssh on here'],
    [['ssh', 'slurm', 'ssh'], 3, 'ssh, slurm on 3 hosts']
  ])('started by %j on %d hosts says "%s"', (launchers, hosts, said) => {
    const html = text(markup({ clusters: [{ ...CLUSTER, launchers, hosts }] }));

    expect(html).toContain(said);
  });

  it('that starts can be cancelled, not scaled', () => {
    const cluster: ICluster = { ...CLUSTER, state: 'starting', ready: 1 };
    const html = markup({ clusters: [cluster], selected: null });

    expect(text(html)).toContain('demo starting 1 of 4 engines on this host Cancel');
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

  it('says what it wrote last, however evil that is', () => {
    const html = markup({ ...shown, lines: new Map([[0, `epoch 7 ${HOSTILE}`]]) }, { engine: 0 });

    expect(html.match(/epoch 7 &lt;img/g)).toHaveLength(3); // its cell, the tooltip, its card
    expect(html).not.toContain('<img');
    expect(text(html)).toContain('Memory Last output');
  });

  it('has its state in words where it runs nothing, too, for when there is little room', () => {
    const stead = (engine: object): boolean =>
      markup({ ...shown, engines: [{ ...ENGINE, ...engine }] }).includes('jp-Ipcluster-stead');

    expect([stead({ state: 'dead' }), stead({ state: 'idle' }), stead({})]).toEqual([
      true,
      false,
      false
    ]);
  });

  it('that has written nothing says nothing of it', () => {
    const html = markup(shown, { engine: 0 });

    expect(html).toContain('<td class="jp-Ipcluster-line" title=""></td>');
    expect(html).not.toContain('<p class="jp-Ipcluster-line">');
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
    expect(html).toContain('ValueError: too short');
    expect(html).not.toContain('in fit');
  });

  it('shows its first error where that is wanted', () => {
    const html = text(
      markup(
        { clusters: [CLUSTER], work: [WORK] },
        { openError: { key: '1 980', text: 'Traceback: in fit' } }
      )
    );

    expect(html).toContain('ValueError: too short Traceback: in fit');
  });

  it('can be cancelled, interrupted and retried, as far as that makes sense', () => {
    const over = { ...WORK, number: 2, running: 0, queued: 0, ended: 1000, failed: 0, error: '' };
    const offered = (work: IWork): string[] =>
      [
        ...markup({ clusters: [CLUSTER], work: [work] }).matchAll(
          /aria-label="(Retry|Interr|Canc)/g
        )
      ].map(([, verb]) => verb ?? '');

    expect(offered(WORK)).toEqual(['Retry', 'Interr', 'Canc']);
    expect(offered(over)).toEqual([]);
    expect(offered({ ...over, failed: 2, retried: 1 })).toEqual(['Retry']);
    expect(offered({ ...over, failed: 2, retried: 2 })).toEqual([]);
  });

  it('is stopped after a question, in place', () => {
    const question = { key: '1 980', what: 'cancel' } as const;
    const html = text(markup({ clusters: [CLUSTER], work: [WORK] }, { workQuestion: question }));

    expect(html).toContain('Cancel fit? Tasks that have begun go on, all others will not run.');
    expect(html).toContain('Cancel Tasks Let It Run');
  });

  it('tells what came of running again what failed', () => {
    const retried = { '1 980': { count: 9, client: '0000002a', reason: '1 cannot: gone' } };
    const html = text(markup({ clusters: [CLUSTER], work: [WORK] }, { retried }));

    expect(html).toContain('9 tasks run again. 1 cannot: gone Insert Code');
  });

  it('is summed up where there is more than one', () => {
    const other = { ...WORK, number: 2, done: 1000 };

    expect(text(markup({ clusters: [CLUSTER], work: [WORK, other] }))).toContain(
      '1,030 done · 20 failed · 8 running · 112 queued'
    );
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
    {
      engine: 0,
      log: { cluster: 'demo', engine: 0, text: HOSTILE },
      openError: { key: '1 980', text: HOSTILE },
      retried: { '1 980': { count: 1, client: HOSTILE, reason: HOSTILE } }
    }
  );

  expect(html).not.toContain('<img');
  expect(html.match(/&lt;img src=x/g)?.length).toBeGreaterThan(12);
});
