/**
 * Guards for the JSON contract: nothing that the server says is believed unseen. Pure.
 */
import {
  CLUSTER_STATES,
  ENGINE_STATES,
  FIELD_KINDS,
  type IChoice,
  type ICluster,
  type IClustersNow,
  type IConsole,
  type IEngine,
  type IField,
  type ILauncher,
  type ILog,
  type IProfile,
  type IProfiles,
  type IRefusal,
  type ISpansNow,
  type IStatusNow,
  type ITended,
  type IWork,
  type OptionValue,
  type ToBrowser
} from './contract';

type Guard<T> = (value: unknown) => value is T;

const isString: Guard<string> = value => typeof value === 'string';
const isNumber: Guard<number> = (value): value is number => Number.isFinite(value);
const isBoolean: Guard<boolean> = value => typeof value === 'boolean';

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || isNumber(value);
}

function isStringOrNull(value: unknown): value is string | null {
  return value === null || isString(value);
}

function isOneOf<T extends string>(values: readonly T[]): Guard<T> {
  return (value): value is T => values.some(each => each === value);
}

function isListOf<T>(guard: Guard<T>): Guard<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(guard);
}

function isRecordOf<T>(guard: Guard<T>): Guard<Readonly<Record<string, T>>> {
  return (value): value is Readonly<Record<string, T>> =>
    isObject(value) && Object.values(value).every(guard);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Make a guard of the guards of all fields. */
function isShaped<T>(fields: { readonly [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const guards = Object.entries<Guard<unknown>>(fields);
  return (value): value is T =>
    isObject(value) && guards.every(([name, guard]) => guard(value[name]));
}

function isOptionValue(value: unknown): value is OptionValue {
  const guards: readonly Guard<OptionValue>[] = [
    isString,
    isNumber,
    isBoolean,
    isListOf(isString),
    isRecordOf(isString)
  ];
  return guards.some(guard => guard(value));
}

export const isOptions = isRecordOf(isOptionValue);

export const isCluster = isShaped<ICluster>({
  id: isString,
  state: isOneOf(CLUSTER_STATES),
  profile: isString,
  host: isString,
  hosts: isNumber,
  launchers: isListOf(isString),
  wanted: isNumber,
  ready: isNumber,
  busy: isNumber,
  queued: isNumber,
  running: isNumber,
  ended: isNumber,
  failed: isNumber,
  owner: isNumber,
  startedAt: isNumber,
  startedBy: isString,
  connectionFile: isString,
  error: isString,
  log: isString
});

const isEngine = isShaped<IEngine>({
  id: isNumber,
  state: isOneOf(ENGINE_STATES),
  host: isString,
  pid: isNumber,
  label: isString,
  since: isNumber,
  queued: isNumber,
  ended: isNumber,
  failed: isNumber,
  cpu: isNumberOrNull,
  nbytes: isNumberOrNull,
  limit: isNumber,
  reason: isString
});

const isWork = isShaped<IWork>({
  number: isNumber,
  session: isString,
  label: isString,
  name: isString,
  kind: isString,
  done: isNumber,
  failed: isNumber,
  cancelled: isNumber,
  running: isNumber,
  queued: isNumber,
  began: isNumber,
  ended: isNumber,
  error: isString,
  retried: isNumber
});

const isProfile = isShaped<IProfile>({
  name: isString,
  description: isString,
  launcher: isString,
  n: isNumberOrNull,
  error: isString,
  options: isOptions,
  beyond: isListOf(isString)
});

const isField = isShaped<IField>({
  name: isString,
  kind: isOneOf(FIELD_KINDS),
  value: isOptionValue,
  help: isString,
  choices: isListOf(isString),
  usual: isBoolean
});

const isLauncher = isShaped<ILauncher>({
  name: isString,
  about: isString,
  missing: isString,
  fields: isListOf(isField)
});

export const isProfiles = isShaped<IProfiles>({
  profiles: isListOf(isProfile),
  processors: isNumber,
  launchers: isListOf(isLauncher)
});

export const isLog = isShaped<ILog>({ text: isString });

export const isChoice = isShaped<IChoice>({ cluster: isStringOrNull, runs: isBoolean });

export const isConsole = isShaped<IConsole>({ kernel: isString, name: isString });

export const isTended = isShaped<ITended>({
  count: isNumber,
  client: isString,
  reason: isString
});

const isClustersNow = isShaped<IClustersNow>({
  type: isOneOf(['clusters'] as const),
  at: isNumber,
  clusters: isListOf(isCluster)
});

const isStatusNow = isShaped<IStatusNow>({
  type: isOneOf(['status'] as const),
  cluster: isString,
  whole: isBoolean,
  engines: isListOf(isEngine),
  gone: isListOf(isNumber),
  work: isListOf(isWork),
  past: isListOf(isNumber),
  lines: isRecordOf(isString)
});

const isSpansNow = isShaped<ISpansNow>({
  type: isOneOf(['spans'] as const),
  cluster: isString,
  whole: isBoolean,
  titles: isListOf(isString),
  engine: isListOf(isNumber),
  title: isListOf(isNumber),
  began: isListOf(isNumber),
  lasted: isListOf(isNumber),
  failed: isListOf(isBoolean),
  count: isListOf(isNumber),
  leftOut: isNumber
});

const isRefusal = isShaped<IRefusal>({
  type: isOneOf(['refusal'] as const),
  reason: isString
});

export function isToBrowser(value: unknown): value is ToBrowser {
  return [isClustersNow, isStatusNow, isSpansNow, isRefusal].some(guard => guard(value));
}
