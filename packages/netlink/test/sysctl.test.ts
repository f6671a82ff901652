import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { checkSysctlPath } from '../src/sysctl-path';
import { Sysctls } from '../src/sysctl';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tartan-sysctl-'));
  mkdirSync(join(root, 'sys/net'), { recursive: true });
  writeFileSync(join(root, 'sys/net/value'), '1\n');
});

afterEach(() => rmSync(root, { recursive: true }));

const sysctls = (): Sysctls => new Sysctls({ root: join(root, 'sys'), netns: '' });

describe('sysctls', () => {
  test('are read trimmed and written in one go, without creating anything', async () => {
    expect(await sysctls().read('net/value')).toBe('1');
    await sysctls().write('net/value', '2');
    expect(readFileSync(join(root, 'sys/net/value'), 'utf8').startsWith('2')).toBe(true);
    expect(await sysctls().read('net/other')).toBeUndefined();
    await expect(sysctls().write('net/other', '1')).rejects.toMatchObject({ data: { errnoName: 'ENOENT' } });
  });

  test('a directory is an error, not a value', async () => {
    await expect(sysctls().read('net')).rejects.toMatchObject({
      code: 'KERNEL_REFUSED',
      data: { errnoName: 'EISDIR' },
    });
  });

  test('no text leaves the root: it is refused, or stays below', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('net', '..', '.', '', '/', 'a b', '\0', 'eth0.1', '...'), { maxLength: 6 }),
        (parts) => {
          const path = parts.join('/');
          try {
            checkSysctlPath(path);
          } catch {
            return;
          }
          const resolved = join('/proc/sys', path);
          expect(resolved).toBe(`/proc/sys/${path}`);
        },
      ),
    );
  });
});
