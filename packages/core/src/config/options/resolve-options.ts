import { propertyName, type OptionSource, type OptionTable, type OptionValues } from './option';
import { parseOccurrence, type Occurrence } from './option-occurrence';
import { readCommandLine } from './read-command-line';
import { readEnvironment, type Environment } from './read-environment';
import { readOptionsFile, type ReadFile } from './read-options-file';

export interface OptionInputs {
  /** Words behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Reads the file that --config names. */
  readonly readFile: ReadFile;
}

export interface ResolvedOptions<Table extends OptionTable> {
  readonly values: OptionValues<Table>;
  /** Where each value came from, by option name. */
  readonly sources: Readonly<Record<keyof Table & string, OptionSource>>;
}

/**
 * The value of every option of `table`: the command line wins over the environment, that over the file named by the option
 * `config`, that over the default. Every value that was given is checked, also one that another place overrides.
 *
 * With `help` or `version` on the command line only that is read, so that a broken environment cannot hide the help.
 * Throws OPTION_* at the first mistake.
 */
export function resolveOptions<const Table extends OptionTable>(
  table: Table,
  { argv, env, readFile }: OptionInputs,
): ResolvedOptions<Table> {
  const commandLine = readCommandLine(table, argv);
  const informative = commandLine.some(({ name }) => name === 'help' || name === 'version');
  const layers = informative ? [commandLine] : [commandLine, readEnvironment(table, env)];
  const path = layers.flatMap((layer) => layer.findLast(({ name }) => name === 'config') ?? [])[0]?.text ?? '';
  if (!informative && path !== '') layers.push(readOptionsFile(table, path, readFile));

  const values: Record<string, unknown> = {};
  const sources: Record<string, OptionSource> = {};
  for (const [name, definition] of Object.entries(table)) {
    const parsed = layers.map((layer) => valueIn(layer, name, table));
    const given = parsed.find((entry) => entry !== undefined);
    values[propertyName(name)] = given ? given.value : definition.default;
    sources[name] = given ? given.source : { kind: 'default' };
  }
  return { values, sources } as ResolvedOptions<Table>;
}

/** One layer's value: the last occurrence, or for a list the items of all. */
function valueIn(
  layer: readonly Occurrence[],
  name: string,
  table: OptionTable,
): { value: unknown; source: OptionSource } | undefined {
  const definition = table[name];
  const occurrences = layer.filter((occurrence) => occurrence.name === name);
  const last = occurrences.at(-1);
  if (!definition || !last) return undefined;
  const values = occurrences.map((occurrence) => parseOccurrence(definition, occurrence));
  return { value: definition.type === 'list' ? values.flat() : values.at(-1), source: last.source };
}
