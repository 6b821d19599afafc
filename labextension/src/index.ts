/**
 * The plugins of the extension.
 */
import { codePlugin } from './codePlugin';
import { mainPlugin } from './mainPlugin';
import { notebookPlugin } from './notebookPlugin';
import { panelPlugin } from './panelPlugin';

export default [codePlugin, panelPlugin, notebookPlugin, mainPlugin];
