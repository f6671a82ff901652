import type { ConfigProblems } from './config-problems';
import { nearestName } from './nearest-name';
import type { ConfigWarning } from './network-config';
import { showText } from './show-value';

export interface MatchedKeys<Key extends string, Value> {
  /** By the known spelling. */
  readonly values: ReadonlyMap<Key, Value>;
  /** As written. */
  readonly unknown: readonly string[];
  readonly repeated: readonly Key[];
}

/** Sorts members to known keys as Go's decoder does: whatever their case, the last of several wins. */
export function matchKeys<Key extends string, Value>(
  members: Iterable<readonly [name: string, value: Value]>,
  known: readonly Key[],
): MatchedKeys<Key, Value> {
  const byFolded = new Map(known.map((key) => [key.toLowerCase(), key]));
  const values = new Map<Key, Value>();
  const unknown = new Set<string>();
  const repeated = new Set<Key>();
  for (const [name, value] of members) {
    const key = byFolded.get(name.toLowerCase());
    if (key === undefined) {
      unknown.add(name);
      continue;
    }
    if (values.has(key)) repeated.add(key);
    values.set(key, value);
  }
  return { values, unknown: [...unknown], repeated: [...repeated] };
}

/** Where a report on a key goes, and how it names it. */
export interface KeyReport {
  readonly strict: boolean;
  /** `Backend.` or empty. */
  readonly path: string;
  readonly known: readonly string[];
  readonly problems: ConfigProblems;
  readonly warnings: ConfigWarning[];
  /** More about a key that has no near one. */
  readonly hint?: (name: string) => string | undefined;
}

/** An unknown key: a problem when strict, else a warning; both name what was probably meant. */
export function reportUnknownKey(name: string, { strict, path, known, problems, warnings, hint }: KeyReport): void {
  const key = path + (/^[\w.-]{1,64}$/.test(name) ? name : showText(name));
  const nearest = nearestName(name, known);
  const suggestion = nearest === undefined ? hint?.(name) : `${path}${nearest}`;
  if (strict) {
    problems.add(
      key,
      'not a known key',
      suggestion ?? (known.length === 0 ? 'no options' : `one of ${known.join(', ')}`),
    );
    return;
  }
  const advice = suggestion === undefined ? listKnown(known) : `did you mean ${suggestion}?`;
  warnings.push({ kind: 'unknown-key', key, message: `${key} is not a known key and is ignored; ${advice}` });
}

function listKnown(known: readonly string[]): string {
  return known.length === 0 ? 'this backend has no options' : `known keys are ${known.join(', ')}`;
}

export function reportRepeatedKey(key: string, { path, warnings }: KeyReport): void {
  warnings.push({
    kind: 'repeated-key',
    key: path + key,
    message: `${path}${key} stands there more than once; the last value counts`,
  });
}
