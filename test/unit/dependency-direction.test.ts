import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * The arrows between packages may not turn (ARCHITECTURE.md). Lint says so while one types; this test says so from the sources and
 * the package.json files, and prints the table of allowed edges.
 */

const root = resolve(__dirname, '../..');
const table = jest.requireActual<Record<string, unknown>>('../../scripts/dependency-direction.cjs');
const folders = table['workspaceFolders'] as Record<string, string>;
const allowed = table['allowedImports'] as Record<string, string[]>;

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function importedPackages(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*['"](@tartan\/[^/'"]+)/g)].map(
    (match) => match[1] as string,
  );
}

test('the table of allowed edges has no cycle', () => {
  const visit = (name: string, path: string[]): void => {
    if (path.includes(name)) throw new Error(`cycle: ${[...path, name].join(' -> ')}`);
    for (const next of allowed[name] ?? []) visit(next, [...path, name]);
  };
  for (const name of Object.keys(allowed)) visit(name, []);
  console.log(
    [
      'allowed imports between packages:',
      ...Object.entries(allowed).map(([name, to]) => `  ${name} -> ${to.join(', ') || '(none of ours)'}`),
    ].join('\n'),
  );
});

describe.each(Object.entries(folders))('%s', (name, folder) => {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
    name: string;
    dependencies?: Record<string, string>;
  };

  test('is what its package.json says', () => {
    expect(manifest.name).toBe(name);
  });

  test('imports only what the table allows', () => {
    const wrong = sources(join(root, folder, 'src')).flatMap((file) =>
      importedPackages(file)
        .filter((imported) => imported !== name && !(allowed[name] ?? []).includes(imported))
        .map((imported) => `${file}: ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  test('declares every sibling that it imports, and no other', () => {
    const declared = Object.keys(manifest.dependencies ?? {}).filter((dependency) => dependency.startsWith('@tartan/'));
    const imported = new Set<string>(sources(join(root, folder, 'src')).flatMap(importedPackages));
    imported.delete(name);
    expect(declared.sort()).toEqual([...imported].sort());
  });
});

test('every workspace folder is in the table', () => {
  const known = new Set(Object.values(folders));
  const present = readdirSync(join(root, 'packages')).map((folder) => `packages/${folder}`);
  expect(present.filter((folder) => !known.has(folder))).toEqual([]);
});
