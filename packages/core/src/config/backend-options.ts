import type { Json } from '../lease/lease';
import { ConfigProblems } from './config-problems';
import { matchKeys, reportRepeatedKey, reportUnknownKey, type KeyReport } from './match-keys';
import type { ConfigWarning } from './network-config';
import { showText } from './show-value';

/*
 * How a backend reads its own members of `Backend`. The original hands them to Go's decoder: misspelt names vanish, numbers have
 * no range, and the kernel's errno is what an operator sees. Here a backend states a schema, and gets typed values or one
 * error that names everything that is wrong.
 */

/** One option of a backend: how to read it, and what it is when absent. */
export interface BackendOption<T> {
  readonly default: T;
  /** Completes "expected ...". */
  readonly expected: string;
  /** One or two sentences for the backend's page. */
  readonly help: string;
  /** The value never appears in a message. */
  readonly secret?: boolean;
  /** undefined: not a value of this option. Never called with null, which means absent. */
  readonly read: (value: Json) => T | undefined;
}

/** Member name, in the spelling of the documentation → option. */
export type BackendSchema = Readonly<Record<string, BackendOption<unknown>>>;

export type BackendOptionValues<Schema extends BackendSchema> = {
  readonly [Name in keyof Schema]: Schema[Name] extends BackendOption<infer T> ? T : never;
};

interface Facts<T> {
  readonly default: T;
  readonly help: string;
  readonly secret?: boolean;
}

/** A whole number within a range; `unit` for messages. `default: null` where absent is a case of its own. */
export function integerMember<Absent extends number | null>(
  facts: Facts<Absent> & { min: number; max: number; unit?: string },
): BackendOption<number | Absent> {
  const { min, max, unit, ...rest } = facts;
  return {
    ...rest,
    expected: `a whole number ${unit === undefined ? '' : `of ${unit} `}from ${min} to ${max}, without quotes`,
    read: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined,
  };
}

export function booleanMember(facts: Facts<boolean>): BackendOption<boolean> {
  return {
    ...facts,
    expected: 'true or false, without quotes',
    read: (value) => (typeof value === 'boolean' ? value : undefined),
  };
}

/** A text; `valid` and `expected` narrow it down. */
export function textMember<Absent extends string | null>(
  facts: Facts<Absent> & { expected?: string; valid?: (text: string) => boolean },
): BackendOption<string | Absent> {
  const { valid = () => true, expected = 'a text in quotes', ...rest } = facts;
  return { ...rest, expected, read: (value) => (typeof value === 'string' && valid(value) ? value : undefined) };
}

/** One of a few words, exactly as written here. */
export function choiceMember<const Choice extends string>(
  facts: Facts<NoInfer<Choice>> & { choices: readonly Choice[] },
): BackendOption<Choice> {
  const { choices, ...rest } = facts;
  return {
    ...rest,
    expected: `one of ${choices.map((choice) => `"${choice}"`).join(', ')}`,
    read: (value) => choices.find((choice) => choice === value),
  };
}

/**
 * The options of a backend from `config.backend`; pass the config itself as third argument for its strictness. Names match
 * whatever their case, the last of several counts, null means absent, `Type` is left out. Unknown names are warnings, or problems
 * when strict. Throws CONFIG_INVALID that names every problem.
 */
export function readBackendOptions<const Schema extends BackendSchema>(
  backend: Readonly<Record<string, Json>>,
  schema: Schema,
  { strict = false }: { readonly strict?: boolean | undefined } = {},
): { options: BackendOptionValues<Schema>; warnings: readonly ConfigWarning[] } {
  const problems = new ConfigProblems();
  const warnings: ConfigWarning[] = [];
  const known = Object.keys(schema);
  const report: KeyReport = { strict, path: 'Backend.', known, problems, warnings };
  const { values, unknown, repeated } = matchKeys(Object.entries(backend), [...known, 'Type']);
  for (const key of repeated) reportRepeatedKey(key, report);
  for (const name of unknown) reportUnknownKey(name, report);
  const options = Object.entries(schema).map(
    ([name, option]) => [name, readOption(name, option, values.get(name), problems)] as const,
  );
  problems.throwIfAny();
  return { options: Object.fromEntries(options) as BackendOptionValues<Schema>, warnings };
}

function readOption<T>(name: string, option: BackendOption<T>, value: Json | undefined, problems: ConfigProblems): T {
  if (value === undefined || value === null) return option.default;
  const read = option.read(value);
  if (read !== undefined) return read;
  problems.add(`Backend.${name}`, option.secret ? '(hidden)' : showJson(value), option.expected);
  return option.default;
}

function showJson(value: Json): string {
  if (typeof value === 'string') return showText(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : String(value);
}
