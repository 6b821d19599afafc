/**
 * What a launcher is told: as its profile has it, as a form shows it, and as it is filled in.
 *
 * No DOM, no request.
 */
import type { IField, ILauncher, INew, IProfile, IProfiles, OptionValue } from './contract';
import type { IDraft } from './view';

/** Engines on the server's own host. */
export const LOCAL = 'local';

type Options = Readonly<Record<string, OptionValue>>;

/** The profile that counts: the one called default where none is chosen. */
export function profileOf(profiles: IProfiles, name: string): IProfile | undefined {
  const wanted = name === '' ? 'default' : name;
  return profiles.profiles.find(profile => profile.name === wanted && profile.error === '');
}

export function launcherOf(profiles: IProfiles, name: string): ILauncher | undefined {
  return profiles.launchers.find(launcher => launcher.name === name);
}

/** What the form proposes. */
export function draftOf(profiles: IProfiles, proposal: Partial<IDraft>): IDraft {
  const named = profileOf(profiles, proposal.profile ?? '');
  const profile = named?.name === proposal.profile ? (named?.name ?? '') : '';
  const usual = profileOf(profiles, profile);
  const n = proposal.n ?? usual?.n ?? profiles.processors;
  const known = launcherOf(profiles, proposal.launcher ?? '');
  return {
    profile,
    n,
    launcher: known?.name ?? usual?.launcher ?? LOCAL,
    options: known === undefined ? {} : (proposal.options ?? {})
  };
}

/** What the server is asked for: only what is otherwise than the profile has it. */
export function wishOf(profiles: IProfiles, { profile, n, launcher, options }: IDraft): INew {
  const isOther = launcher !== (profileOf(profiles, profile)?.launcher ?? LOCAL);
  return {
    n,
    ...(profile === '' ? {} : { profile }),
    ...(isOther ? { launcher } : {}),
    ...(isOther || Object.keys(options).length > 0 ? { options } : {})
  };
}

/** What is kept for the next time: not variables, which may be secrets. */
export function rememberedOf({ options, ...draft }: IDraft): IDraft {
  const kept = Object.entries(options).filter(
    ([, value]) => typeof value !== 'object' || Array.isArray(value)
  );
  return { ...draft, options: Object.fromEntries(kept) };
}

/** A field of the form; `value` is null where the profile says more than fits into it. */
export interface IShownField {
  readonly field: IField;
  readonly value: OptionValue | null;
}

/** The fields of the launcher of a draft, filled in. */
export function fieldsOf(profiles: IProfiles, draft: IDraft): readonly IShownField[] {
  const { told, beyond } = toldBy(profiles, draft);
  return (launcherOf(profiles, draft.launcher)?.fields ?? []).map(field => {
    const value = draft.options[field.name];
    if (value === undefined && beyond.includes(field.name)) {
      return { field, value: null };
    }
    return { field, value: value ?? told[field.name] ?? field.value };
  });
}

/** Of what has been filled in, what is otherwise than the profile has it. */
export function changed(profiles: IProfiles, draft: IDraft, filled: Options): Options {
  const { told, beyond } = toldBy(profiles, draft);
  const fields = launcherOf(profiles, draft.launcher)?.fields ?? [];
  const others = fields.flatMap(({ name, kind, value: usual }) => {
    const value = filled[name];
    const before = beyond.includes(name) ? emptyOf(kind) : (told[name] ?? usual);
    return value === undefined || isSame(value, before) ? [] : [[name, value] as const];
  });
  return Object.fromEntries(others);
}

/** What the profile of a draft tells its launcher, if that is the same one. */
function toldBy(profiles: IProfiles, draft: IDraft): { told: Options; beyond: readonly string[] } {
  const profile = profileOf(profiles, draft.profile);
  return profile?.launcher === draft.launcher
    ? { told: profile.options, beyond: profile.beyond }
    : { told: {}, beyond: [] };
}

function emptyOf(kind: IField['kind']): OptionValue {
  return kind === 'list' ? [] : kind === 'map' ? {} : '';
}

function isSame(one: OptionValue, other: OptionValue): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Write a value as a field shows it: lists and maps one line each. */
export function textOf(value: OptionValue | null): string {
  if (value === null) {
    return '';
  }
  if (typeof value !== 'object') {
    return String(value);
  }
  const lines = isList(value)
    ? value
    : Object.entries(value).map(([name, each]) => `${name}=${each}`);
  return lines.join('\n');
}

/** Read what was filled in; what is no number stays a text, of which the server says what is wrong. */
export function valueOf({ kind, value }: IField, text: string): OptionValue {
  const lines = text.split('\n').map(line => line.trim());
  const said = lines.filter(line => line !== '');
  switch (kind) {
    case 'flag':
      return text === 'true';
    case 'integer':
    case 'number': {
      const number = Number(text);
      return text.trim() === '' ? value : Number.isFinite(number) ? number : text;
    }
    case 'list':
      return said;
    case 'map':
      return said.every(line => line.indexOf('=') > 0)
        ? Object.fromEntries(said.map(line => divided(line)))
        : text;
    case 'choice':
    case 'text':
      return text.trim();
  }
}

function divided(line: string): readonly [string, string] {
  const place = line.indexOf('=');
  return [line.slice(0, place), line.slice(place + 1)];
}

function isList(value: OptionValue): value is readonly string[] {
  return Array.isArray(value);
}
