/**
 * The options of a launcher as fields of a form, the less usual ones folded away.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IField, OptionValue } from './contract';
import { textOf, valueOf, type IShownField } from './launching';
import { optionText } from './optionText';
import type { IFault } from './view';

/** Before the name of a field, so that it is none of the form's own. */
const PREFIX = 'option-';

interface IShared {
  fault: IFault | null;
  trans: TranslationBundle;
}

export function LaunchFields(
  props: IShared & { fields: readonly IShownField[] }
): React.JSX.Element {
  const { fields, ...shared } = props;
  const rows = (isUsual: boolean): React.JSX.Element[] =>
    fields
      .filter(({ field, value }) => isUsual === isInFront(field, value))
      .map(shown => <FieldRow key={shown.field.name} {...shown} {...shared} />);
  const others = rows(false);
  const isFaulty = fields.some(
    ({ field, value }) => !isInFront(field, value) && shared.fault?.field === field.name
  );
  return (
    <>
      {rows(true)}
      {others.length > 0 && (
        <details {...(isFaulty ? { open: true } : {})}>
          <summary>{shared.trans.__('More options')}</summary>
          {others}
        </details>
      )}
    </>
  );
}

/** What has been filled in. */
export function readFields(
  form: HTMLFormElement,
  fields: readonly IField[]
): Readonly<Record<string, OptionValue>> {
  const data = new FormData(form);
  const filled = fields.map(field => {
    const text = data.get(`${PREFIX}${field.name}`);
    return [field.name, valueOf(field, typeof text === 'string' ? text : '')] as const;
  });
  return Object.fromEntries(filled);
}

/** Whether it is in sight at once: many need it, or it is not as usual. */
function isInFront(field: IField, value: OptionValue | null): boolean {
  return field.usual || JSON.stringify(value) !== JSON.stringify(field.value);
}

function FieldRow({ field, value, fault, trans }: IShared & IShownField): React.JSX.Element {
  const id = `jp-Ipcluster-${PREFIX}${field.name}`;
  const text = fault?.field === field.name ? fault.text : '';
  const isWrong = text !== '';
  const said = [isWrong ? id : '', field.help === '' ? '' : `${id}-help`];
  return (
    <div className="jp-Ipcluster-field">
      <label title={field.name}>
        <span>{optionText(field.name, trans)}</span>
        <Input
          field={field}
          value={value}
          trans={trans}
          about={said.join(' ').trim()}
          isWrong={isWrong}
        />
      </label>
      {isWrong && (
        <p id={id} className="jp-Ipcluster-error" role="alert">
          {text}
        </p>
      )}
      {field.help !== '' && (
        <p id={`${id}-help`} className="jp-Ipcluster-about">
          {field.help}
        </p>
      )}
    </div>
  );
}

function Input(props: {
  field: IField;
  value: OptionValue | null;
  /** The ids of what is said of it: what is wrong with it, and what it is. */
  about: string;
  isWrong: boolean;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { field, value, about, isWrong, trans } = props;
  const text = textOf(value);
  const said = {
    name: `${PREFIX}${field.name}`,
    'aria-invalid': isWrong,
    'aria-describedby': about === '' ? undefined : about
  };
  switch (field.kind) {
    case 'flag':
      return <input {...said} type="checkbox" value="true" defaultChecked={value === true} />;
    case 'choice':
      return (
        <select {...said} defaultValue={text}>
          {field.choices.map(choice => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      );
    case 'list':
    case 'map':
      return (
        <textarea
          {...said}
          rows={field.usual ? 3 : 2}
          defaultValue={text}
          placeholder={
            value === null
              ? trans.__('as the profile says')
              : field.kind === 'map'
                ? trans.__('NAME=value, one per line')
                : trans.__('one per line')
          }
        />
      );
    case 'integer':
    case 'number':
      return (
        <input
          {...said}
          type="number"
          step={field.kind === 'integer' ? 1 : 'any'}
          defaultValue={text}
        />
      );
    case 'text':
      return <input {...said} type="text" spellCheck={false} defaultValue={text} />;
  }
}
