import { nullTranslator } from '@jupyterlab/translation';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, it, vi } from 'vitest';

import { ClusterChoice } from '../src/clusterChoice';
import type { ICluster } from '../src/contract';

const READY = { id: 'demo', state: 'ready', wanted: 4, ready: 4, busy: 2, queued: 7 } as ICluster;
const STARTING = { ...READY, id: 'late', state: 'starting' } as ICluster;
const FAILED = { ...READY, id: 'sick', state: 'failed' } as ICluster;

function markup(chosen: string): string {
  return renderToStaticMarkup(
    <ClusterChoice
      clusters={[READY, STARTING, FAILED]}
      chosen={chosen}
      choose={vi.fn()}
      startNew={vi.fn()}
      look={vi.fn()}
      Select="select"
      trans={nullTranslator.load('')}
    />
  );
}

function options(html: string): string[] {
  return [...html.matchAll(/<option[^>]*>([^<]*)/g)].map(found => found[1] ?? '');
}

it('offers every cluster that can be used, whichever there is, and a new one', () => {
  expect(options(markup('demo'))).toEqual([
    'Engines: automatic',
    'demo: 4 engines',
    'late: starting',
    'New Cluster…'
  ]);
});

it('has the dot of the cluster that is used, and says what %%px does', () => {
  const html = markup('demo');

  expect(html).toContain('jp-Ipcluster-dot jp-mod-ready');
  expect(html).toContain('title="%%px uses demo: 4 engines"');
  expect(html).toMatch(/<option value="demo" selected="">/);
});

it('shows a cluster that has ended as long as it is chosen', () => {
  const html = markup('gone');

  expect(options(html)).toContain('gone: not running');
  expect(html).toContain('title="%%px is to use gone, which does not run"');
});
