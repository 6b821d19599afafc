/**
 * What the panel's plugin provides to the others.
 */
import { Token } from '@lumino/coreutils';

import type { Actions } from './actions';
import type { Api } from './api';
import type { Feed } from './feed';
import type { ClusterModel } from './model';
import type { IOptions } from './options';
import type { Pointing } from './pointing';
import type { View } from './view';

/** What is known of clusters, and what can be done to them: one for a whole JupyterLab. */
export interface IClusters {
  readonly model: ClusterModel;
  readonly view: View;
  readonly actions: Actions;
  readonly api: Api;
  /** Told what somebody looks at. */
  readonly feed: Feed;
  /** What commands are about. */
  readonly pointing: Pointing;
  /** The settings as they are now. */
  readonly options: () => IOptions;
  /** Show the panel. */
  readonly open: () => void;
}

export const IClusters = new Token<IClusters>(
  'ipcluster-ext:IClusters',
  'What is known of clusters of engines, and what can be done to them.'
);
