import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { udpSchema } from '../../packages/backend-udp/src/options';
import { vxlanSchema } from '../../packages/backend-vxlan/src/options';

const root = resolve(__dirname, '../..');

describe.each([
  { name: 'udp', sources: 'packages/backend-udp/src', schema: udpSchema, ownCode: 'UDP_MTU_CLAMPED' },
  { name: 'vxlan', sources: 'packages/backend-vxlan/src', schema: vxlanSchema, ownCode: 'VXLAN_MTU_CLAMPED' },
])('docs/backends/$name.md', ({ name, sources, schema, ownCode }) => {
  const page = readFileSync(join(root, `docs/backends/${name}.md`), 'utf8');

  it('has exactly the options that there are, with their defaults', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\|.*\| +`?"?(\w+)"?`? +\|.*\|$/gm)];
    const documented = rows.map(([, option, absent]) => [option, absent] as const);
    const options = Object.entries(schema).map(([option, { default: absent }]) => [option, String(absent)] as const);
    expect(new Map([...documented].sort())).toEqual(new Map([...options].sort()));
  });

  it('has every finding of the backend', () => {
    const codes = ['packages/core/src/backend', sources].flatMap(findingCodes);
    expect(codes).toEqual(expect.arrayContaining([ownCode, 'PEER_SAME_ADDRESS']));
    for (const code of codes) expect(page).toContain(`\`${code}\``);
  });
});

test('docs/backends/udp.md has every cause of a drop', () => {
  const page = readFileSync(join(root, 'docs/backends/udp.md'), 'utf8');
  const header = readFileSync(join(root, 'packages/backend-udp/native/src/counters.h'), 'utf8');
  const [, names = ''] = /kDropNames\[\] = \{([^}]*)\}/.exec(header) ?? [];
  const causes = [...names.matchAll(/"([a-z-]+)"/g)].map(([, cause]) => cause as string);
  expect(causes.length).toBeGreaterThan(5);
  for (const cause of causes) expect(page).toContain(`\`${cause}\``);
});

function findingCodes(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, folder, file), 'utf8'))
    .flatMap((text) => [...text.matchAll(/(?:code: |[fF]inding\(peer, |\? |: )'([A-Z]+(?:_[A-Z0-9]+)+)'/g)])
    .map(([, code]) => code as string);
}
