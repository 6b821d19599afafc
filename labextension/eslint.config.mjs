import jupyter from '@jupyter/eslint-plugin';
import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['lib', 'node_modules']),
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [
      eslint.configs.recommended,
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked
    ],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './tests/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname
      }
    },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        // Jupyter's own habit, so that ours read like the interfaces they stand beside.
        { selector: 'interface', format: ['PascalCase'], prefix: ['I'] }
      ]
    }
  },
  { plugins: { jupyter } },
  jupyter.configs.recommended,
  {
    // The line in the status bar, a panel that was open and notebooks are there from the start.
    files: ['src/panelPlugin.ts', 'src/notebookPlugin.ts'],
    rules: { 'jupyter/prefer-lazy-imports': 'off' }
  },
  {
    // What tests show to nobody is in no language.
    files: ['tests/**'],
    rules: { 'jupyter/no-untranslated-string': 'off' }
  }
);
