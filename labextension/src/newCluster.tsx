/**
 * The form for a new cluster. What is typed stays in the form until it is sent.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { TextButton } from './button';
import type { IProfile, IProfiles } from './contract';
import { MOST_ENGINES, isEngineCount } from './text';
import type { IDraft } from './view';

export function NewCluster(props: {
  draft: IDraft;
  profiles: IProfiles;
  asking: boolean;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { draft, profiles, asking, actions, trans } = props;
  return (
    <form
      className="jp-Ipcluster-new"
      aria-label={trans.__('New cluster')}
      onSubmit={event => {
        event.preventDefault();
        const filled = readForm(event.currentTarget);
        if (filled !== null) {
          void actions.start(filled);
        }
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          actions.closeForm();
        }
      }}
    >
      {profiles.profiles.length > 0 && (
        <label>
          <span>{trans.__('Profile')}</span>
          <select
            name="profile"
            defaultValue={draft.profile}
            onChange={event => {
              proposeEngines(event.currentTarget, profiles);
            }}
          >
            <option value="">{trans.__('none: on this machine')}</option>
            {profiles.profiles.map(profile => (
              <ProfileOption key={profile.name} profile={profile} trans={trans} />
            ))}
          </select>
        </label>
      )}
      <label>
        <span>{trans.__('Engines')}</span>
        <input
          name="n"
          type="number"
          min={1}
          max={MOST_ENGINES}
          required
          autoFocus
          defaultValue={draft.n}
        />
      </label>
      <span className="jp-Ipcluster-buttons">
        <button type="submit" className="jp-Ipcluster-button jp-mod-accept" disabled={asking}>
          {asking ? trans.__('Starting…') : trans.__('Start')}
        </button>
        <TextButton label={trans.__('Cancel')} onClick={actions.closeForm} />
      </span>
    </form>
  );
}

function ProfileOption(props: { profile: IProfile; trans: TranslationBundle }): React.JSX.Element {
  const { profile, trans } = props;
  const broken = profile.error !== '';
  return (
    <option
      value={profile.name}
      disabled={broken}
      title={broken ? profile.error : profile.description}
    >
      {broken ? trans.__('%1 (cannot be used)', profile.name) : profile.name}
    </option>
  );
}

/** What has been filled in, null if that is not a number of engines. */
function readForm(form: HTMLFormElement): IDraft | null {
  const data = new FormData(form);
  const n = Number(data.get('n'));
  const profile = data.get('profile');
  return isEngineCount(n) ? { profile: typeof profile === 'string' ? profile : '', n } : null;
}

/** Propose as many engines as the profile that was chosen has. */
function proposeEngines(select: HTMLSelectElement, { profiles, processors }: IProfiles): void {
  const field = select.form?.elements.namedItem('n');
  if (field instanceof HTMLInputElement) {
    const chosen = profiles.find(profile => profile.name === select.value);
    field.value = String(chosen?.n ?? processors);
  }
}
