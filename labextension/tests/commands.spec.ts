import { describe, expect, it } from 'vitest';

import notebook from '../schema/notebook.json';
import panel from '../schema/panel.json';
import code from '../schema/plugin.json';
import {
  CodeCommandIDs,
  EngineCommandIDs,
  MainCommandIDs,
  NotebookCommandIDs,
  PanelCommandIDs
} from '../src/commands';

const KNOWN = new Set<string>(
  [CodeCommandIDs, EngineCommandIDs, MainCommandIDs, NotebookCommandIDs, PanelCommandIDs].flatMap(
    ids => Object.values(ids)
  )
);

interface IItem {
  readonly command?: string;
  readonly selector?: string;
}

function commandsOf(items: readonly IItem[], selector?: string): string[] {
  return items
    .filter(item => selector === undefined || item.selector === selector)
    .flatMap(item => item.command ?? []);
}

describe('commands that insert code', () => {
  it('are what the context menu of the schema offers', () => {
    const offered = commandsOf(code['jupyter.lab.menus'].context);
    expect(offered).toEqual(Object.values(CodeCommandIDs));
  });
});

describe('the context menu of an engine', () => {
  it('has everything that can be done to one', () => {
    const offered = commandsOf(
      panel['jupyter.lab.menus'].context,
      '.jp-Ipcluster-panel [data-engine]'
    );
    expect(new Set(offered)).toEqual(new Set(Object.values(EngineCommandIDs)));
  });
});

describe('menus and shortcuts', () => {
  it('have commands that exist', () => {
    const menus = panel['jupyter.lab.menus'];
    const main = menus.main.flatMap(menu => menu.items.flatMap(it => it.submenu?.items ?? []));
    const named = [
      ...commandsOf([...main, ...menus.context]),
      ...commandsOf(notebook['jupyter.lab.menus'].context),
      ...commandsOf([...panel['jupyter.lab.shortcuts'], ...notebook['jupyter.lab.shortcuts']])
    ];

    expect(named.filter(command => !KNOWN.has(command))).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });
});
