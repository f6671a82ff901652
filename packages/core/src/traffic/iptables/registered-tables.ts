import { readFile } from 'node:fs/promises';
import type { IpFamily } from '../../ip';

/** The content of a small file of /proc; undefined when it does not exist or may not be read. */
export type ReadText = (path: string) => Promise<string | undefined>;

export const readSystemText: ReadText = (path) => readFile(path, 'utf8').catch(() => undefined);

/**
 * Tables of the legacy flavour that are in use in this network namespace. Merely listing one with iptables-legacy loads its module and puts its
 * hooks into the way of every packet, so nobody should ask iptables-legacy about a table that is not here.
 */
export async function registeredTables(readText: ReadText, family: IpFamily): Promise<readonly string[]> {
  const text = await readText(family === 4 ? '/proc/net/ip_tables_names' : '/proc/net/ip6_tables_names');
  return (text ?? '').split('\n').filter(Boolean);
}
