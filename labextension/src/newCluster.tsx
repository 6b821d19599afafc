/**
 * The form for a new cluster. What is typed stays in the form until it is sent.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions';
import { TextButton } from './button';
import type { ILauncher, IProfile, IProfiles } from './contract';
import { changed, draftOf, fieldsOf, launcherOf } from './launching';
import { LaunchFields, readFields } from './launchFields';
import { MOST_ENGINES, isEngineCount } from './text';
import type { IDraft, IFault } from './view';

const ABOUT = 'jp-Ipcluster-launcher-about';

export function NewCluster(props: {
  draft: IDraft;
  profiles: IProfiles;
  fault: IFault | null;
  asking: boolean;
  actions: Actions;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { draft, profiles, fault, asking, actions, trans } = props;
  const launcher = launcherOf(profiles, draft.launcher);
  const fields = fieldsOf(profiles, draft);
  return (
    <form
      className="jp-Ipcluster-new"
      aria-label={trans.__('New cluster')}
      onSubmit={event => {
        event.preventDefault();
        const filled = readForm(event.currentTarget, draft, profiles);
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
              const profile = event.currentTarget.value;
              const proposed = draftOf(profiles, { profile });
              proposeEngines(event.currentTarget, proposed.n);
              actions.refill(proposed);
            }}
          >
            <option value="">{trans.__('none')}</option>
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
      {profiles.launchers.length > 1 && (
        <label>
          <span>{trans.__('Launcher')}</span>
          <select
            key={draft.profile}
            name="launcher"
            aria-describedby={ABOUT}
            defaultValue={draft.launcher}
            onChange={event => {
              const { profile, n } = draft;
              actions.refill({ profile, n, launcher: event.currentTarget.value, options: {} });
            }}
          >
            {profiles.launchers.map(each => (
              <LauncherOption key={each.name} launcher={each} trans={trans} />
            ))}
          </select>
        </label>
      )}
      {launcher !== undefined && (
        <p id={ABOUT} className="jp-Ipcluster-about">
          {launcher.about}
          {launcher.missing !== '' && (
            <span className="jp-Ipcluster-missing">{launcher.missing}</span>
          )}
        </p>
      )}
      {fields.length > 0 && (
        <LaunchFields
          key={`${draft.profile} ${draft.launcher}`}
          fields={fields}
          fault={fault}
          trans={trans}
        />
      )}
      {fault !== null && !fields.some(({ field }) => field.name === fault.field) && (
        <p className="jp-Ipcluster-error" role="alert">
          {fault.text}
        </p>
      )}
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

function LauncherOption(props: {
  launcher: ILauncher;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { launcher, trans } = props;
  const isMissing = launcher.missing !== '';
  return (
    <option value={launcher.name} title={isMissing ? launcher.missing : launcher.about}>
      {isMissing ? trans.__('%1 (not ready here)', launcher.name) : launcher.name}
    </option>
  );
}

/** What has been filled in, null if that is not a number of engines. */
function readForm(form: HTMLFormElement, draft: IDraft, profiles: IProfiles): IDraft | null {
  const n = Number(new FormData(form).get('n'));
  const fields = launcherOf(profiles, draft.launcher)?.fields ?? [];
  const options = changed(profiles, draft, readFields(form, fields));
  return isEngineCount(n) ? { ...draft, n, options } : null;
}

/** Propose as many engines as the profile that was chosen has. */
function proposeEngines(select: HTMLSelectElement, n: number): void {
  const field = select.form?.elements.namedItem('n');
  if (field instanceof HTMLInputElement) {
    field.value = String(n);
  }
}
