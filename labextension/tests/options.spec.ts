import { describe, expect, it } from 'vitest';

import { USUAL_OPTIONS, readDraft, readOptions } from '../src/options';

describe('options', () => {
  it('are read from the settings', () => {
    const settings = {
      refreshInterval: 2,
      confirmStop: false,
      autoStart: true,
      autoConnect: true,
      defaultProfile: 'slurm',
      defaultEngines: 8
    };

    expect(readOptions(settings)).toEqual({
      interval: 2,
      confirms: false,
      starts: true,
      connects: true,
      proposal: { profile: 'slurm', n: 8 }
    });
  });

  it('are as usual where the settings cannot be used', () => {
    const settings = {
      refreshInterval: -1,
      confirmStop: 'no',
      autoStart: 'yes',
      autoConnect: 1,
      defaultProfile: '',
      defaultEngines: 0
    };

    expect(readOptions(settings)).toEqual(USUAL_OPTIONS);
  });
});

describe('what was chosen last', () => {
  it('is a launcher, too, with what it is told, and no profile if none was chosen', () => {
    const chosen = { profile: '', n: 2, launcher: 'ssh', options: { hosts: ['n1'], port: 22 } };

    expect(readDraft(chosen)).toEqual(chosen);
  });

  it('is nothing of options that cannot be any', () => {
    expect(readDraft({ n: 2, options: { hosts: [1] } })).toEqual({ n: 2 });
  });

  it.each([null, 'text', 7, {}, { profile: 3, n: 'many' }])('is nothing in %j', value => {
    expect(readDraft(value)).toEqual({});
  });
});
