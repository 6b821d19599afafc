/**
 * The settings of a user, and what was chosen last: read from JSON that anybody may have written.
 */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import { isOptions } from './guards';
import { isEngineCount } from './text';
import type { IDraft } from './view';

export interface IOptions {
  /** How often there may be news at most, in seconds. */
  readonly interval: number;
  /** Whether one is asked before engines lose what they hold. */
  readonly confirms: boolean;
  /** Whether a cluster is started with JupyterLab where none runs. */
  readonly starts: boolean;
  /** Whether new notebooks use the cluster that is selected in the panel. */
  readonly connects: boolean;
  /** What the form for a new cluster proposes; what is not set is decided later. */
  readonly proposal: Partial<IDraft>;
}

export const USUAL_OPTIONS: IOptions = {
  interval: 0.1,
  confirms: true,
  starts: false,
  connects: false,
  proposal: {}
};

/** Read the settings. What cannot be used is as usual. */
export function readOptions(settings: ISettingRegistry.ISettings['composite']): IOptions {
  const interval = settings['refreshInterval'];
  return {
    interval:
      typeof interval === 'number' && interval >= 0.1 && interval <= 60
        ? interval
        : USUAL_OPTIONS.interval,
    confirms: settings['confirmStop'] !== false,
    starts: settings['autoStart'] === true,
    connects: settings['autoConnect'] === true,
    proposal: readDraft({ profile: settings['defaultProfile'], n: settings['defaultEngines'] })
  };
}

/** Read what was chosen, or as much of it as can be used. */
export function readDraft(value: unknown): Partial<IDraft> {
  if (typeof value !== 'object' || value === null) {
    return {};
  }
  const profile = 'profile' in value ? value.profile : undefined;
  const n = 'n' in value ? value.n : undefined;
  const launcher = 'launcher' in value ? value.launcher : undefined;
  const options = 'options' in value ? value.options : undefined;
  const isWhole = typeof launcher === 'string'; // what a form was, to which no profile is a choice
  return {
    ...(typeof profile === 'string' && (profile !== '' || isWhole) ? { profile } : {}),
    ...(isEngineCount(n) ? { n } : {}),
    ...(typeof launcher === 'string' ? { launcher } : {}),
    ...(isOptions(options) ? { options } : {})
  };
}
