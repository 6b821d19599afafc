/**
 * The plugins of the extension.
 */
import { codePlugin } from './codePlugin';
import { panelPlugin } from './panelPlugin';

export default [codePlugin, panelPlugin];
