import { TartanError } from '../../errors';
import type { OptionDefinition, OptionSource } from './option';
import { showText } from '../show-value';

/** One place where an option was given a value. */
export interface Occurrence {
  readonly name: string;
  readonly text: string;
  readonly source: OptionSource;
  /** How the place spells the option: `--iface`, `TARTAND_IFACE`, `iface`. */
  readonly spelling: string;
}

/** The value of `occurrence`. Throws OPTION_INVALID, which names the place. */
export function parseOccurrence<T>(definition: OptionDefinition<T>, { text, source, spelling }: Occurrence): T {
  const value = definition.parse(text);
  if (value !== undefined) return value;
  throw new TartanError('OPTION_INVALID', {
    option: spelling,
    value: showText(text, definition),
    expected: definition.expected,
    ...(source.kind === 'file' ? { source: `in ${source.path}` } : {}),
  });
}
