/**
 * All about one engine, and what can be done to it.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { IconButton, TextButton } from './button';
import type { IEngine } from './contract';
import { engineStateText, size, span } from './figures';
import { LogBox } from './logBox';
import { Question } from './question';
import type { IView } from './view';

interface IProps {
  cluster: string;
  engine: IEngine;
  /** What it wrote last. */
  line: string;
  view: IView;
  /** What time it is on the server. */
  now: number;
  actions: Actions;
  trans: TranslationBundle;
}

export function EngineCard(props: IProps): React.JSX.Element {
  const { cluster, engine, line, view, actions, trans } = props;
  const { question, log } = view;
  return (
    <section
      ref={reveal}
      className="jp-Ipcluster-card"
      data-engine={engine.id}
      aria-label={trans.__('Engine %1', engine.id)}
    >
      <header>
        <span className={`jp-Ipcluster-dot jp-mod-${engine.state}`} aria-hidden="true" />
        <span className="jp-Ipcluster-name">{trans.__('Engine %1', engine.id)}</span>
        <span className="jp-Ipcluster-state">{stateLine(props)}</span>
        <IconButton
          icon="close"
          label={trans.__('Close')}
          onClick={() => {
            actions.choose(null);
          }}
        />
      </header>
      {engine.label !== '' && <code className="jp-Ipcluster-what">{engine.label}</code>}
      <p className="jp-Ipcluster-meta">
        {factsOf(engine, trans).map(fact => (
          <span key={fact}>{fact}</span>
        ))}
      </p>
      {line !== '' && (
        <p className="jp-Ipcluster-line">
          <span className="jp-Ipcluster-meta">{trans.__('Last output')}</span> <code>{line}</code>
        </p>
      )}
      {engine.reason !== '' && <p className="jp-Ipcluster-error">{engine.reason}</p>}
      <Tools {...props} />
      {view.noConsole !== '' && (
        <p className="jp-Ipcluster-error" role="alert">
          {view.noConsole}
        </p>
      )}
      {question?.cluster === cluster && question.engine === engine.id && (
        <Question
          question={question}
          text={questionText(engine.id, question.what, trans)}
          actions={actions}
          trans={trans}
        />
      )}
      {log?.cluster === cluster && log.engine === engine.id && (
        <LogBox log={log} actions={actions} trans={trans} />
      )}
    </section>
  );
}

/** Have it in sight when it appears; it may be below a long table. */
function reveal(card: HTMLElement | null): void {
  card?.scrollIntoView({ block: 'nearest' });
}

function Tools({ cluster, engine, actions, trans }: IProps): React.JSX.Element {
  const ask = (what: 'restart' | 'stop') => () => actions.ask({ cluster, engine: engine.id, what });
  return (
    <div className="jp-Ipcluster-buttons" role="toolbar" aria-label={trans.__('Engine')}>
      <TextButton
        icon="interrupt"
        label={trans.__('Interrupt')}
        disabled={engine.state !== 'busy'}
        onClick={() => actions.act(cluster, engine.id, 'interrupt')}
      />
      <TextButton
        icon="console"
        label={trans.__('Console')}
        onClick={() => actions.openConsole(cluster, engine.id)}
      />
      <TextButton
        icon="log"
        label={trans.__('Log')}
        onClick={() => actions.showLog(cluster, engine.id)}
      />
      <TextButton icon="restart" label={trans.__('Restart…')} onClick={ask('restart')} />
      <TextButton icon="stop" label={trans.__('Stop…')} onClick={ask('stop')} />
    </div>
  );
}

function stateLine({ engine, now, trans }: IProps): string {
  const state = engineStateText(engine.state, trans);
  return engine.state === 'busy' ? trans.__('%1 for %2', state, span(now - engine.since)) : state;
}

function factsOf(engine: IEngine, trans: TranslationBundle): string[] {
  const facts = [engine.host];
  if (engine.pid > 0) {
    facts.push(trans.__('process %1', engine.pid));
  }
  if (engine.queued > 0) {
    facts.push(trans.__('%1 queued', engine.queued));
  }
  if (engine.nbytes !== null && engine.limit > 0) {
    facts.push(trans.__('%1 of %2', size(engine.nbytes), size(engine.limit)));
  }
  return facts.filter(fact => fact !== '');
}

function questionText(id: number, what: 'restart' | 'stop', trans: TranslationBundle): string {
  return what === 'stop'
    ? trans.__('Stop engine %1? It loses what it holds.', id)
    : trans.__('Restart engine %1? It loses what it holds.', id);
}
