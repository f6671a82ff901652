import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Texts of iproute2's rt_protos and rt_protos.d/*.conf, for names in messages; what cannot be read is left out. */
export async function readProtocolTables(directory = '/etc/iproute2'): Promise<string[]> {
  const dropIns = await readdir(join(directory, 'rt_protos.d')).catch(() => []);
  const files = [
    'rt_protos',
    ...dropIns
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join('rt_protos.d', name)),
  ];
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')));
  return texts.filter((text) => text !== '');
}
