import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { vxlanSchema } from '../src/options';

const root = resolve(__dirname, '../../..');
const page = readFileSync(join(root, 'docs/backends/vxlan.md'), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

describe('docs/backends/vxlan.md', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` +\|.*\| +`?"?(\w+)"?`? +\|.*\|$/gm)];
  const documented = new Map(rows.map(([, name, absent]) => [name, absent]));

  it('has exactly the options that there are, with their defaults', () => {
    const options = Object.entries(vxlanSchema).map(([name, option]) => [name, String(option.default)] as const);
    expect(new Map([...documented].sort())).toEqual(new Map([...options].sort()));
  });

  it('has every finding of this backend', () => {
    const shared = sources(join(root, 'packages/core/src/backend'));
    const codes = [...shared, ...sources(join(__dirname, '../src'))].flatMap((text) =>
      [...text.matchAll(/(?:code: |[fF]inding\(peer, |\? |: )'([A-Z]+(?:_[A-Z0-9]+)+)'/g)].map(
        ([, code]) => code as string,
      ),
    );
    expect(codes.length).toBeGreaterThan(8);
    for (const code of codes) expect(page).toContain(`\`${code}\``);
  });
});
