/**
 * The settings of a user, and what was chosen last: read from JSON that anybody may have written.
 */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import { isEngineCount } from './text';
import type { IDraft } from './view';

export interface IOptions {
  /** How often there may be news at most, in seconds. */
  readonly interval: number;
  /** Whether one is asked before engines lose what they hold. */
  readonly confirms: boolean;
  /** What the form for a new cluster proposes; what is not set is decided later. */
  readonly proposal: Partial<IDraft>;
}

export const USUAL_OPTIONS: IOptions = { interval: 0.5, confirms: true, proposal: {} };

/** Read the settings. What cannot be used is as usual. */
export function readOptions(settings: ISettingRegistry.ISettings['composite']): IOptions {
  const interval = settings['refreshInterval'];
  const confirms = settings['confirmStop'];
  return {
    interval:
      typeof interval === 'number' && interval >= 0.1 && interval <= 60
        ? interval
        : USUAL_OPTIONS.interval,
    confirms: typeof confirms === 'boolean' ? confirms : USUAL_OPTIONS.confirms,
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
  return {
    ...(typeof profile === 'string' && profile !== '' ? { profile } : {}),
    ...(isEngineCount(n) ? { n } : {})
  };
}
