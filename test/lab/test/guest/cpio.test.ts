import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyOf, cpioArchive } from '../../src/guest/cpio';
import { itNeeds } from '../support/it-needs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cpio-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('cpioArchive', () => {
  itNeeds('busybox')('is unpacked by another implementation to what went in', () => {
    const contents = [0, 1, 2, 3, 4, 5000].map((bytes) => Buffer.alloc(bytes, bytes));
    const archive = cpioArchive([
      { path: 'a folder' },
      ...contents.map((content, index) => ({ path: `a folder/${'n'.repeat(index)}x`, content })),
      { path: 'init', content: Buffer.from('#!'), permissions: 0o755 },
    ]);
    execFileSync('busybox', ['cpio', '-i', '-d'], { cwd: folder, input: archive, stdio: ['pipe', 'pipe', 'pipe'] });
    const unpacked = contents.map((_, index) => readFileSync(join(folder, `a folder/${'n'.repeat(index)}x`)));
    expect(unpacked).toEqual(contents);
    expect(statSync(join(folder, 'init')).mode & 0o777).toBe(0o755);
  });
});

describe('copyOf', () => {
  it('has the folders above first, all that is in a folder, and files for links', () => {
    mkdirSync(join(folder, 'in', 'deep'), { recursive: true });
    writeFileSync(join(folder, 'in', 'program'), 'text');
    chmodSync(join(folder, 'in', 'program'), 0o755);
    symlinkSync('../program', join(folder, 'in', 'deep', 'link'));
    const entries = copyOf(join(folder, 'in'), 'memory');
    const inside = `memory${folder}/in`;
    expect(entries[0]?.path).toBe(`memory/${folder.split('/')[1] ?? ''}`);
    expect(entries.slice(-4)).toEqual([
      { path: inside },
      { path: `${inside}/deep` },
      { path: `${inside}/deep/link`, content: Buffer.from('text'), permissions: 0o755 },
      { path: `${inside}/program`, content: Buffer.from('text'), permissions: 0o755 },
    ]);
  });
});
