/**
 * Buttons, as the panel has them.
 */
import { Icon, type IconName } from './icons';

/** A button with a picture; its text is for whoever points at it, or listens. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: () => unknown;
  /** Whether it is on, of a button that stays pressed. */
  isPressed?: boolean;
  disabled?: boolean;
}): React.JSX.Element {
  return (
    <button
      type="button"
      className="jp-Ipcluster-iconButton"
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.isPressed}
      disabled={props.disabled ?? false}
      onClick={() => {
        props.onClick();
      }}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** A button with a text. */
export function TextButton(props: {
  label: string;
  onClick: () => unknown;
  icon?: IconName;
  /** For whoever points at it. */
  title?: string;
  mod?: 'accept' | 'warn';
  autoFocus?: boolean;
  disabled?: boolean;
}): React.JSX.Element {
  const mod = props.mod === undefined ? '' : ` jp-mod-${props.mod}`;
  return (
    <button
      type="button"
      className={`jp-Ipcluster-button${mod}`}
      title={props.title}
      autoFocus={props.autoFocus ?? false}
      disabled={props.disabled ?? false}
      onClick={() => {
        props.onClick();
      }}
    >
      {props.icon === undefined ? null : <Icon name={props.icon} />}
      {props.label}
    </button>
  );
}
