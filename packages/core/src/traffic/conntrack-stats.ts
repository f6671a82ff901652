import { readFileSync } from 'node:fs';

/*
 * How often two connections wanted the same translated port at the same moment, and the packet of one was dropped: the cause of DNS queries that
 * take 5 seconds, which random ports prevent (net/netfilter/nf_conntrack_standalone.c, v6.1, ct_cpu_seq_show). One line per
 * processor, numbers in hexadecimal, names in the first line.
 */

const PATH = '/proc/net/stat/nf_conntrack';

/** Sum over all processors since boot; undefined when the kernel does not tell. */
export function readInsertFailures(
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): number | undefined {
  try {
    return parseInsertFailures(read(PATH));
  } catch {
    return undefined;
  }
}

export function parseInsertFailures(text: string): number | undefined {
  const [names = '', ...lines] = text.trim().split('\n');
  const column = names.trim().split(/\s+/).indexOf('insert_failed');
  if (column === -1) return undefined;
  return lines.reduce((sum, line) => sum + Number.parseInt(line.trim().split(/\s+/)[column] ?? '0', 16), 0);
}
