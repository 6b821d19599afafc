import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { optionText } from '../src/optionText';

const trans = nullTranslator.load('');

describe('an option', () => {
  it.each([
    ['engines_per_agent', 'Engines that share a job'],
    ['time', 'Time limit'],
    ['queue_of_theirs', 'Queue of theirs'],
    ['', '']
  ])('%j is called %j', (name, text) => {
    expect(optionText(name, trans)).toBe(text);
  });

  it('is called so in the language of the user', () => {
    const german = { ...trans, __: (text: string) => `»${text}«` };

    expect(optionText('memory', german)).toBe('»Memory«');
  });
});
