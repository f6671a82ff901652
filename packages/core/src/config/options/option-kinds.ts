import type { OptionDefinition, OptionFacts } from './option';
import { duration, formatDuration, parseBoolean, parseDuration, parseInteger, type Duration } from './scalar-values';

/** Any text, also none. */
export function textOption(facts: OptionFacts & { default: string; nonEmpty?: string }): OptionDefinition<string> {
  const { nonEmpty } = facts;
  return {
    placeholder: 'TEXT',
    ...facts,
    type: 'string',
    expected: nonEmpty ?? 'a text',
    parse: (text) => (text === '' && nonEmpty !== undefined ? undefined : text),
    format: (value) => value,
  };
}

/** A text that stands for something: an address, a datastore. `parse` gives undefined for a text that does not. */
export function parsedOption<T>(
  facts: OptionFacts & Pick<OptionDefinition<T>, 'default' | 'expected' | 'parse' | 'format'>,
): OptionDefinition<T> {
  return { ...facts, type: 'string' };
}

export function switchOption(facts: OptionFacts & { default: boolean }): OptionDefinition<boolean> {
  return { ...facts, type: 'boolean', expected: 'true or false', parse: parseBoolean, format: String };
}

export function integerOption(
  facts: OptionFacts & { default: number; min: number; max: number; unit?: string },
): OptionDefinition<number> {
  const { min, max, unit, ...rest } = facts;
  const range = max === Number.MAX_SAFE_INTEGER ? `not below ${min}` : `from ${min} to ${max}`;
  return {
    placeholder: unit === undefined ? 'NUMBER' : unit.toUpperCase(),
    ...rest,
    type: 'integer',
    expected: `a whole number ${unit === undefined ? '' : `of ${unit} `}${range}`,
    parse: (text) => inRange(parseInteger(text), min, max),
    format: String,
  };
}

export function durationOption(
  facts: OptionFacts & { defaultMs: number; minMs: number; maxMs: number },
): OptionDefinition<Duration> {
  const { defaultMs, minMs, maxMs, ...rest } = facts;
  const range = `from ${formatDuration(duration(minMs))} to ${formatDuration(duration(maxMs))}`;
  return {
    placeholder: 'DURATION',
    ...rest,
    type: 'duration',
    default: duration(defaultMs),
    expected: `a duration ${range}, such as 90s, 1m30s or 500ms (a bare number means seconds)`,
    parse: (text) => {
      const value = parseDuration(text);
      return inRange(value?.ms, minMs, maxMs) === undefined ? undefined : value;
    },
    format: formatDuration,
  };
}

export function choiceOption<const Choice extends string>(
  facts: OptionFacts & { default: NoInfer<Choice>; choices: readonly Choice[] },
): OptionDefinition<Choice> {
  const { choices, ...rest } = facts;
  return {
    placeholder: choices.join('|'),
    ...rest,
    type: 'choice',
    expected: `one of ${choices.join(', ')}`,
    parse: (text) => choices.find((choice) => choice === text),
    format: (value) => value,
  };
}

/** Repeatable. With a `separator` one occurrence may hold several items; items are trimmed, empty ones dropped. */
export function listOption(
  facts: OptionFacts & {
    default?: readonly string[];
    expected: string;
    separator?: string;
    valid?: (item: string) => boolean;
  },
): OptionDefinition<readonly string[]> {
  const { separator, valid = () => true, ...rest } = facts;
  return {
    placeholder: 'TEXT',
    default: [],
    ...rest,
    type: 'list',
    parse: (text) => {
      const items = (separator === undefined ? [text] : text.split(separator))
        .map((item) => item.trim())
        .filter(Boolean);
      return items.length > 0 && items.every(valid) ? items : undefined;
    },
    format: (items) => items.join(separator ?? ' '),
  };
}

function inRange(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
