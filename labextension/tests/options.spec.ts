import { describe, expect, it } from 'vitest';

import { USUAL_OPTIONS, readDraft, readOptions } from '../src/options';

describe('options', () => {
  it('are read from the settings', () => {
    const settings = {
      refreshInterval: 2,
      confirmStop: false,
      defaultProfile: 'slurm',
      defaultEngines: 8
    };

    expect(readOptions(settings)).toEqual({
      interval: 2,
      confirms: false,
      proposal: { profile: 'slurm', n: 8 }
    });
  });

  it('are as usual where the settings cannot be used', () => {
    const settings = {
      refreshInterval: -1,
      confirmStop: 'no',
      defaultProfile: '',
      defaultEngines: 0
    };

    expect(readOptions(settings)).toEqual(USUAL_OPTIONS);
  });
});

describe('what was chosen last', () => {
  it.each([null, 'text', 7, {}, { profile: 3, n: 'many' }])('is nothing in %j', value => {
    expect(readDraft(value)).toEqual({});
  });
});
