import { environmentNames, type OptionTable } from './option';
import type { Occurrence } from './option-occurrence';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the environment gives: per option the first of its variables that is set and not empty (an empty variable counts as
 * not set, as in the original).
 */
export function readEnvironment(table: OptionTable, env: Environment): Occurrence[] {
  return Object.entries(table).flatMap(([name, definition]) => {
    const variable = environmentNames(name, definition).find((candidate) => (env[candidate] ?? '') !== '');
    if (variable === undefined) return [];
    return [{ name, text: env[variable] as string, source: { kind: 'environment', variable }, spelling: variable }];
  });
}
