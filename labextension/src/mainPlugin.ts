/**
 * What stands in the main area, the task timeline and the cluster overview: wiring only.
 */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  WidgetTracker,
  type IWidgetTracker
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';

import { MainCommandIDs, NO_ARGUMENTS } from './commands';
import type { Attention } from './feed';
import { iconSvg, type IconName } from './icons';
import type { Overview } from './overview';
import type { Timeline } from './timeline';
import { IClusters } from './tokens';

export const mainPlugin: JupyterFrontEndPlugin<void> = {
  id: 'ipcluster-ext:main',
  description: 'A timeline of tasks and an overview of the cluster, in the main area.',
  autoStart: true,
  requires: [IClusters],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate
};

type Content = Timeline | Overview;

/** One thing that can be opened. */
interface IView {
  readonly id: string;
  readonly command: string;
  readonly icon: IconName;
  readonly label: string;
  readonly caption: string;
  readonly title: string;
  /** What it looks at. */
  readonly attention: Attention;
  readonly make: (onSeen: (isSeen: boolean) => void) => Promise<Content>;
}

function activate(
  app: JupyterFrontEnd,
  clusters: IClusters,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('ipcluster_ext');
  const { model } = clusters;
  const views: IView[] = [
    {
      id: 'ipcluster-ext-timeline',
      command: MainCommandIDs.openTimeline,
      icon: 'timeline',
      label: trans.__('Open Task Timeline'),
      caption: trans.__('Show when and where tasks ran, a lane for each engine'),
      title: trans.__('Task Timeline'),
      attention: 'spans',
      make: async onSeen => new (await import('./timeline')).Timeline(model, onSeen, trans)
    },
    {
      id: 'ipcluster-ext-overview',
      command: MainCommandIDs.openOverview,
      icon: 'overview',
      label: trans.__('Open Cluster Overview'),
      caption: trans.__('Show throughput, queue, engines, processors and memory over time'),
      title: trans.__('Cluster Overview'),
      attention: 'status',
      make: async onSeen => new (await import('./overview')).Overview(model, onSeen, trans)
    }
  ];
  const category = trans.__('Parallel engines');
  for (const view of views) {
    addView(app, clusters, view, restorer);
    palette?.addItem({ command: view.command, category });
  }
}

/**
 * Add the command that opens a view, and have the view come back with the layout.
 *
 * Returns what follows the view; it lives as long as JupyterLab.
 */
function addView(
  app: JupyterFrontEnd,
  clusters: IClusters,
  view: IView,
  restorer: ILayoutRestorer | null
): IWidgetTracker {
  const tracker = new WidgetTracker<MainAreaWidget<Content>>({ namespace: view.id });
  const icon = new LabIcon({ name: `ipcluster-ext:${view.icon}`, svgstr: iconSvg(view.icon) });
  let coming: Promise<MainAreaWidget<Content>> | null = null;
  const make = async (): Promise<MainAreaWidget<Content>> => {
    const content = await view.make(isSeen => {
      clusters.feed.attend(view.id, isSeen ? view.attention : 'nothing');
    });
    const widget = new MainAreaWidget({ content });
    widget.id = view.id;
    widget.title.label = view.title;
    widget.title.caption = view.caption;
    widget.title.icon = icon;
    widget.title.closable = true;
    widget.disposed.connect(() => {
      coming = null;
    });
    await tracker.add(widget);
    return widget;
  };
  app.commands.addCommand(view.command, {
    label: view.label,
    caption: view.caption,
    icon,
    describedBy: { args: NO_ARGUMENTS },
    execute: async () => {
      coming ??= make();
      const widget = await coming;
      if (!widget.isAttached) {
        app.shell.add(widget, 'main', { type: view.title });
      }
      app.shell.activateById(widget.id);
      return widget;
    }
  });
  if (restorer !== null) {
    void restorer.restore(tracker, { command: view.command, name: () => view.id });
  }
  return tracker;
}
