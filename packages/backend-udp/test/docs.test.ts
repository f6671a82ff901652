import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { udpSchema } from '../src/options';

const root = resolve(__dirname, '../../..');
const page = readFileSync(join(root, 'docs/backends/udp.md'), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

describe('docs/backends/udp.md', () => {
  it('has exactly the options that there are, with their defaults', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\|.*\| +`?"?(\w+)"?`? +\|.*\|$/gm)];
    const documented = rows.map(([, name, absent]) => [name, absent] as const);
    const options = Object.entries(udpSchema).map(([name, option]) => [name, String(option.default)] as const);
    expect(new Map([...documented].sort())).toEqual(new Map([...options].sort()));
  });

  it('has every finding of this backend', () => {
    const shared = sources(join(root, 'packages/core/src/backend'));
    const codes = [...shared, ...sources(join(__dirname, '../src'))].flatMap((text) =>
      [...text.matchAll(/(?:code: |[fF]inding\(peer, |\? |: )'([A-Z]+(?:_[A-Z0-9]+)+)'/g)].map(
        ([, code]) => code as string,
      ),
    );
    expect(codes).toContain('UDP_MTU_CLAMPED');
    expect(codes).toContain('PEER_SAME_ADDRESS');
    for (const code of codes) expect(page).toContain(`\`${code}\``);
  });

  it('has every cause of a drop', () => {
    const header = readFileSync(join(__dirname, '../native/src/counters.h'), 'utf8');
    const [, names = ''] = /kDropNames\[\] = \{([^}]*)\}/.exec(header) ?? [];
    const causes = [...names.matchAll(/"([a-z-]+)"/g)].map(([, cause]) => cause as string);
    expect(causes.length).toBeGreaterThan(5);
    for (const cause of causes) expect(page).toContain(`\`${cause}\``);
  });
});
