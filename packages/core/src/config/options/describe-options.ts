import { showText } from '../show-value';
import { propertyName, type OptionSource, type OptionTable } from './option';

/**
 * Every option that was given, with its value and its place, for the start-up log. Secrets show as `(hidden)`; what is not
 * listed has its default.
 */
export function describeOptions(
  table: OptionTable,
  options: object & { readonly sources: Readonly<Record<string, OptionSource>> },
): Record<string, string> {
  const values = options as unknown as Readonly<Record<string, unknown>>;
  const given = Object.entries(table).flatMap(([name, definition]) => {
    const source = options.sources[name];
    if (!source || source.kind === 'default') return [];
    const text = showText(definition.format(values[propertyName(name)]), definition);
    return [[name, `${text} (${describeSource(source)})`] as const];
  });
  return Object.fromEntries(given);
}

function describeSource(source: OptionSource): string {
  if (source.kind === 'environment') return source.variable;
  return source.kind === 'file' ? source.path : source.kind;
}
