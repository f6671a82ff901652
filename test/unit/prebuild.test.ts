import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '../../scripts/prebuild.mjs');
const TARGETS = ['linux-x64', 'linux-arm64', 'linux-x64-musl', 'linux-arm64-musl'];

/** A compiler that writes its last source's name; the script's own work is what is tested here. */
const COMPILER = `#!/bin/sh
[ "$1" = version ] && exit 0
while [ "$1" != -o ]; do shift; done
echo "built from $3" >"$2"
`;

describe('prebuilt addons', () => {
  let root: string;
  let prebuilds: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'prebuild-'));
    prebuilds = join(root, 'packages/one/prebuilds');
    mkdirSync(join(root, 'include/node'), { recursive: true });
    writeFileSync(join(root, 'include/node/node_api.h'), '');
    nativePart('native', 'one', 'a.cc');
    nativePart('native/more', 'one_more', 'b.cc');
    writeFileSync(join(root, 'zig'), COMPILER, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function nativePart(folder: string, addon: string, source: string): void {
    const part = join(root, 'packages/one', folder);
    mkdirSync(join(part, 'src'), { recursive: true });
    const gyp = `{ 'targets': [{ 'target_name': '${addon}', 'sources': ['src/${source}'] }] }`;
    writeFileSync(join(part, 'binding.gyp'), gyp);
    writeFileSync(join(part, 'src', source), 'int a;');
  }

  function prebuild(...argv: string[]): { readonly status: number | null; readonly said: string } {
    const env = { ...process.env, ZIG: join(root, 'zig'), npm_config_nodedir: root };
    const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, '--root', root, ...argv], {
      encoding: 'utf8',
      env,
    });
    return { status, said: stdout + stderr };
  }

  it('are made for every target, with sums that hold', () => {
    expect(prebuild('--check')).toMatchObject({ status: 1, said: expect.stringContaining('not built') as string });
    expect(prebuild()).toMatchObject({ status: 0 });
    for (const target of TARGETS) {
      expect(readFileSync(join(prebuilds, target, 'one.node'), 'utf8')).toContain('native/src/a.cc');
      expect(readFileSync(join(prebuilds, target, 'one_more.node'), 'utf8')).toContain('native/more/src/b.cc');
    }
    expect(prebuild('--check')).toMatchObject({ status: 0 });
    expect(spawnSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: prebuilds }).status).toBe(0);
  });

  it('are refused when a file was changed or is missing, or the sources are others', () => {
    prebuild();
    writeFileSync(join(prebuilds, 'linux-x64/one.node'), 'something else');
    rmSync(join(prebuilds, 'linux-arm64/one.node'));
    rmSync(join(prebuilds, 'linux-x64-musl/one_more.node'));
    writeFileSync(join(root, 'packages/one/native/src/a.cc'), 'int b;');
    const { status, said } = prebuild('--check');
    expect(status).toBe(1);
    expect(said).toContain('linux-x64/one.node: not the file that was built');
    expect(said).toContain('linux-arm64/one.node: missing');
    expect(said).toContain('linux-x64-musl/one_more.node: missing');
    expect(said).toContain('built from other sources');
  });

  it('are refused when the sources of a part below the native one are others', () => {
    prebuild();
    expect(prebuild('--check')).toMatchObject({ status: 0 });
    writeFileSync(join(root, 'packages/one/native/more/src/b.cc'), 'int b;');
    expect(prebuild('--check').said).toContain('built from other sources');
  });
});
