import { TartanError } from '../../errors';
import { nearestName } from '../nearest-name';
import { showText } from '../show-value';
import type { OptionDefinition, OptionTable } from './option';
import type { Occurrence } from './option-occurrence';

interface Flag {
  readonly name: string;
  /** As written, without `=value`. */
  readonly spelling: string;
  /** Behind `=`, undefined when there is none. */
  readonly attached: string | undefined;
}

/**
 * What the command line gives, in order. The forms are those of Go's flag package, which the original uses: one or two dashes,
 * `--x=y` or `--x y`, switches only with `=`, `--` ends the options. Where that package stops silently at the first word
 * that is not a flag, and thereby loses all behind it, this is an error.
 *
 * Throws OPTION_UNKNOWN, OPTION_VALUE_MISSING, OPTION_POSITIONAL.
 */
export function readCommandLine(table: OptionTable, argv: readonly string[]): Occurrence[] {
  const occurrences: Occurrence[] = [];
  const words = [...argv];
  let previous: Occurrence | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') {
      if (words[0] !== undefined) throw positional(words[0], undefined, table);
      break;
    }
    const flag = splitFlag(word);
    if (!flag) throw positional(word, previous, table);
    previous = readFlag(table, flag, words);
    occurrences.push(previous);
  }
  return occurrences;
}

function readFlag(table: OptionTable, flag: Flag, following: string[]): Occurrence {
  const { name, definition } = find(table, flag);
  const { spelling, attached } = flag;
  const source = { kind: 'command line' } as const;
  if (attached !== undefined) return { name, text: attached, source, spelling };
  if (definition.type === 'boolean') return { name, text: 'true', source, spelling };
  const next = following.shift();
  const nextFlag = next === undefined ? undefined : splitFlag(next);
  const nextIsOption = nextFlag !== undefined && lookUp(table, nextFlag.name) !== undefined;
  if (next === undefined || nextIsOption) {
    throw new TartanError('OPTION_VALUE_MISSING', {
      option: spelling,
      expected: definition.expected,
      ...(nextFlag === undefined ? {} : { found: nextFlag.spelling }),
    });
  }
  return { name, text: next, source, spelling };
}

function splitFlag(word: string): Flag | undefined {
  const match = /^(--?([^-=][^=]*))(?:=(.*))?$/s.exec(word);
  return match ? { name: match[2] as string, spelling: match[1] as string, attached: match[3] } : undefined;
}

function find(table: OptionTable, { name, spelling }: Flag): { name: string; definition: OptionDefinition<unknown> } {
  const found = lookUp(table, name);
  if (found) return found;
  const nearest = nearestName(name, Object.keys(table));
  throw new TartanError('OPTION_UNKNOWN', {
    option: printable(spelling),
    ...(nearest === undefined ? {} : { nearest: `--${nearest}` }),
  });
}

function lookUp(table: OptionTable, name: string) {
  const known = Object.hasOwn(table, name) ? name : Object.keys(table).find((key) => table[key]?.short === name);
  const definition = known === undefined ? undefined : table[known];
  return known !== undefined && definition ? { name: known, definition } : undefined;
}

function positional(word: string, previous: Occurrence | undefined, table: OptionTable): TartanError {
  const afterSwitch = previous?.text === 'true' && table[previous.name]?.type === 'boolean';
  const hint = afterSwitch
    ? `write ${previous.spelling}=${/^\w+$/.test(word) ? word : 'false'}`
    : 'every option starts with --, see --help';
  return new TartanError('OPTION_POSITIONAL', { argument: showText(word), hint });
}

function printable(spelling: string): string {
  return /^[\x21-\x7e]{1,80}$/.test(spelling) ? spelling : showText(spelling);
}
