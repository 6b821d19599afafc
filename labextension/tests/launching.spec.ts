import { describe, expect, it } from 'vitest';

import type { FieldKind, IField, IProfiles, OptionValue } from '../src/contract';
import {
  changed,
  draftOf,
  fieldsOf,
  rememberedOf,
  textOf,
  valueOf,
  wishOf
} from '../src/launching';

function field(name: string, kind: FieldKind, value: OptionValue): IField {
  return { name, kind, value, help: '', choices: [], usual: false };
}

const FIELDS = [
  field('hosts', 'list', []),
  field('port', 'integer', 0),
  field('environment', 'map', {})
];
const PROFILES: IProfiles = {
  profiles: [
    {
      name: 'lab',
      description: '',
      launcher: 'ssh',
      n: 6,
      error: '',
      options: { port: 2222 },
      beyond: ['hosts']
    }
  ],
  processors: 4,
  launchers: [
    { name: 'local', about: '', missing: '', fields: [] },
    { name: 'ssh', about: '', missing: '', fields: FIELDS }
  ]
};
const LAB = { profile: 'lab', n: 6, launcher: 'ssh', options: {} };

describe('what is proposed', () => {
  it('is what was chosen last, as far as it is there', () => {
    const options = { port: 22 };

    expect(draftOf(PROFILES, { profile: 'lab' })).toEqual(LAB);
    expect(draftOf(PROFILES, { launcher: 'ssh', n: 2, options })).toEqual({
      profile: '',
      n: 2,
      launcher: 'ssh',
      options
    });
    expect(draftOf(PROFILES, { profile: 'gone', launcher: 'gone', options })).toEqual({
      profile: '',
      n: 4,
      launcher: 'local',
      options: {}
    });
  });

  it('is as the profile called default has it where none is named', () => {
    const [lab] = PROFILES.profiles;
    const usual = { ...PROFILES, profiles: lab === undefined ? [] : [{ ...lab, name: 'default' }] };

    expect(draftOf(usual, {})).toEqual({ profile: '', n: 6, launcher: 'ssh', options: {} });
  });
});

describe('the fields', () => {
  it('are as the profile has them, as far as that fits into them', () => {
    const shown = fieldsOf(PROFILES, LAB).map(({ field: { name }, value }) => [name, value]);

    expect(shown).toEqual([
      ['hosts', null],
      ['port', 2222],
      ['environment', {}]
    ]);
  });

  it('are as usual for another launcher than the profile has', () => {
    const shown = fieldsOf(PROFILES, { ...LAB, profile: '' }).map(({ value }) => value);

    expect(shown).toEqual([[], 0, {}]);
  });
});

describe('the server', () => {
  it('is told only what is otherwise than the profile has it', () => {
    const filled = { hosts: [], port: 0, environment: { A: '1' } };
    const options = changed(PROFILES, LAB, filled);

    expect(options).toEqual({ port: 0, environment: { A: '1' } });
    expect(wishOf(PROFILES, { ...LAB, options })).toEqual({ n: 6, profile: 'lab', options });
    expect(wishOf(PROFILES, LAB)).toEqual({ n: 6, profile: 'lab' });
  });

  it('is told the launcher if the profile has another', () => {
    expect(wishOf(PROFILES, { ...LAB, launcher: 'local' })).toEqual({
      n: 6,
      profile: 'lab',
      launcher: 'local',
      options: {}
    });
  });
});

it('variables are not kept for the next time: they may be secrets', () => {
  const options = { hosts: ['n1'], environment: { TOKEN: 'x' } };

  expect(rememberedOf({ ...LAB, options })).toEqual({ ...LAB, options: { hosts: ['n1'] } });
});

describe('a value', () => {
  it.each([
    ['list', ' n1 \n\nn2:4\n', ['n1', 'n2:4']],
    ['map', 'A=1\nB=x=y\n', { A: '1', B: 'x=y' }],
    ['map', 'A', 'A'],
    ['integer', '22', 22],
    ['integer', '', 7],
    ['number', 'many', 'many'],
    ['flag', 'true', true],
    ['flag', '', false],
    ['text', ' a b ', 'a b']
  ] as const)('of the kind %s is read from %j', (kind, text, value) => {
    expect(valueOf(field('x', kind, 7), text)).toEqual(value);
  });

  it.each([
    [['n1', 'n2'], 'n1\nn2'],
    [{ A: '1', B: '2' }, 'A=1\nB=2'],
    [12, '12'],
    [null, '']
  ])('%j is shown as %j', (value, text) => {
    expect(textOf(value)).toBe(text);
  });
});
