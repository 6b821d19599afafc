/**
 * The engines as a table, however many there are: only rows in sight, and some beside, are drawn.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import type { IEngine } from './contract';
import { engineStateText, percent, size, span } from './figures';
import { COLUMNS, ROW_HEIGHT, drawn, sorted, type Column, type ISort } from './rows';

interface IProps {
  engines: readonly IEngine[];
  /** The last line that each wrote, by id. */
  lines: ReadonlyMap<number, string>;
  chosen: number | null;
  sort: ISort;
  firstRow: number;
  /** What time it is on the server. */
  now: number;
  actions: Actions;
  trans: TranslationBundle;
}

export function EngineTable(props: IProps): React.JSX.Element {
  const { engines, sort, firstRow, actions, trans } = props;
  const { first, end } = drawn(engines.length, firstRow);
  const rows = sorted(engines, sort).slice(first, end);
  return (
    <div
      className="jp-Ipcluster-engines"
      onScroll={event => {
        actions.scrollTo(Math.floor(event.currentTarget.scrollTop / ROW_HEIGHT));
      }}
    >
      <table aria-label={trans.__('Engines')} aria-rowcount={engines.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {COLUMNS.map(column => (
              <Heading key={column} column={column} sort={sort} actions={actions} trans={trans} />
            ))}
            <th
              scope="col"
              className="jp-Ipcluster-line"
              title={trans.__('The last line that its task or cell has written')}
            >
              {trans.__('Last output')}
            </th>
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} />
          {rows.map((engine, index) => (
            <Row key={engine.id} {...props} engine={engine} index={first + index} />
          ))}
          <Gap rows={engines.length - end} />
        </tbody>
      </table>
    </div>
  );
}

/** In place of rows that are not drawn. One cell: the style sheet hides columns. */
function Gap({ rows }: { rows: number }): React.JSX.Element | null {
  return rows <= 0 ? null : (
    <tr aria-hidden="true" style={{ height: rows * ROW_HEIGHT }}>
      <td />
    </tr>
  );
}

function Heading(props: {
  column: Column;
  sort: ISort;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { column, sort, actions, trans } = props;
  const direction = sort.down ? 'descending' : 'ascending';
  const isSorted = sort.by === column;
  return (
    <th
      scope="col"
      className={`jp-Ipcluster-${column}`}
      aria-sort={isSorted ? direction : 'none'}
      title={headingTitle(column, trans)}
    >
      <button
        type="button"
        onClick={() => {
          actions.sortBy(column);
        }}
      >
        {column === 'state' ? (
          <span className="jp-Ipcluster-word">{headingText(column, trans)}</span>
        ) : (
          headingText(column, trans)
        )}
        {isSorted && <span aria-hidden="true">{sort.down ? '▾' : '▴'}</span>}
      </button>
    </th>
  );
}

function Row(props: IProps & { engine: IEngine; index: number }): React.JSX.Element {
  const { engine, index, lines, chosen, now, actions, trans } = props;
  const line = lines.get(engine.id) ?? '';
  const isChosen = engine.id === chosen;
  const choose = (): void => {
    actions.choose(isChosen ? null : engine.id);
  };
  return (
    <tr
      className={isChosen ? 'jp-mod-selected' : ''}
      data-engine={engine.id}
      aria-rowindex={index + 2}
      aria-selected={isChosen}
      title={engine.reason}
      onClick={choose}
    >
      <td className="jp-Ipcluster-id">
        <button
          type="button"
          aria-pressed={isChosen}
          aria-label={trans.__('Engine %1', engine.id)}
          onClick={event => {
            event.stopPropagation();
            choose();
          }}
        >
          {engine.id}
        </button>
      </td>
      <td className="jp-Ipcluster-state" title={engineStateText(engine.state, trans)}>
        <span className={`jp-Ipcluster-dot jp-mod-${engine.state}`} aria-hidden="true" />
        <span className="jp-Ipcluster-word">{engineStateText(engine.state, trans)}</span>
      </td>
      <td className="jp-Ipcluster-label" title={engine.label}>
        {engine.state === 'busy' && (
          <div>
            <span className="jp-Ipcluster-what">{engine.label}</span>
            <span className="jp-Ipcluster-span">{span(now - engine.since)}</span>
          </div>
        )}
        {engine.state !== 'busy' && engine.state !== 'idle' && (
          <span className="jp-Ipcluster-stead" aria-hidden="true">
            {engineStateText(engine.state, trans)}
          </span>
        )}
      </td>
      <td className="jp-Ipcluster-ended">
        {engine.ended - engine.failed}
        {engine.failed > 0 && (
          <span className="jp-Ipcluster-failed" title={trans.__('%1 failed', engine.failed)}>
            {` +${String(engine.failed)}`}
          </span>
        )}
      </td>
      <td className="jp-Ipcluster-cpu">{engine.cpu === null ? '–' : percent(engine.cpu)}</td>
      <td className="jp-Ipcluster-nbytes">{engine.nbytes === null ? '–' : size(engine.nbytes)}</td>
      <td className="jp-Ipcluster-line" title={line}>
        {line}
      </td>
    </tr>
  );
}

function headingText(column: Column, trans: TranslationBundle): string {
  switch (column) {
    case 'id':
      return '#';
    case 'state':
      return trans.__('State');
    case 'label':
      return trans.__('Runs');
    case 'ended':
      return trans.__('Done');
    case 'cpu':
      return trans.__('CPU');
    case 'nbytes':
      return trans.__('Memory');
  }
}

function headingTitle(column: Column, trans: TranslationBundle): string {
  switch (column) {
    case 'id':
      return trans.__('Number of the engine');
    case 'state':
      return trans.__('Whether it works');
    case 'label':
      return trans.__('What it runs, and for how long');
    case 'ended':
      return trans.__('Tasks that are done, and those that failed');
    case 'cpu':
      return trans.__('How much of one processor it uses');
    case 'nbytes':
      return trans.__('How much memory it uses');
  }
}
