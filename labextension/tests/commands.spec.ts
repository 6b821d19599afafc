import { describe, expect, it } from 'vitest';

import schema from '../schema/plugin.json';
import { CodeCommandIDs } from '../src/commands';

describe('commands that insert code', () => {
  it('are what the context menu of the schema offers', () => {
    const offered = schema['jupyter.lab.menus'].context.flatMap(item => item.command ?? []);
    expect(offered).toEqual(Object.values(CodeCommandIDs));
  });
});
