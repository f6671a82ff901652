import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFileAtomic } from '@tartan/core';
import { useTemporaryDirectory } from './temporary-directory';

const at = useTemporaryDirectory();
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const inode = (path: string): bigint => statSync(path, { bigint: true }).ino;

let umask = 0;
beforeEach(() => {
  umask = process.umask(0o077);
});
afterEach(() => process.umask(umask));

it('creates missing directories 0755 and the file 0644, whatever the umask', async () => {
  const path = at('run', 'flannel', 'subnet.env');
  expect(await writeFileAtomic({ path, data: 'A=1\n' })).toBe('written');
  expect(readFileSync(path, 'utf8')).toBe('A=1\n');
  expect([mode(path), mode(at('run')), mode(at('run', 'flannel'))]).toEqual(['644', '755', '755']);
});

it('leaves directories that are there as they are', async () => {
  mkdirSync(at('private'), { mode: 0o700 });
  await writeFileAtomic({ path: at('private', 'file'), data: 'x' });
  expect(mode(at('private'))).toBe('700');
});

it('replaces the file in one step and keeps its mode', async () => {
  const path = at('file');
  writeFileSync(path, 'old');
  chmodSync(path, 0o640);
  const before = inode(path);
  expect(await writeFileAtomic({ path, data: 'new' })).toBe('written');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(mode(path)).toBe('640');
  expect(inode(path)).not.toBe(before);
});

it('does not write what is already there', async () => {
  const path = at('file');
  await writeFileAtomic({ path, data: 'same' });
  const before = inode(path);
  expect(await writeFileAtomic({ path, data: 'same' })).toBe('unchanged');
  expect(inode(path)).toBe(before);
});

it('uses the mode that was asked for', async () => {
  await writeFileAtomic({ path: at('secretive'), data: 'x', mode: 0o600 });
  expect(mode(at('secretive'))).toBe('600');
});

it('leaves no temporary file behind', async () => {
  await writeFileAtomic({ path: at('file'), data: 'one' });
  await writeFileAtomic({ path: at('file'), data: 'two' });
  expect(readdirSync(at())).toEqual(['file']);
});

it('a reader sees the old text or the new, never a part', async () => {
  const path = at('file');
  const texts = ['a'.repeat(100_000), 'b'.repeat(150_000)];
  await writeFileAtomic({ path, data: texts[0] as string });
  let writing = true;
  const writer = (async () => {
    for (let round = 1; round < 40; round++) await writeFileAtomic({ path, data: texts[round % 2] as string });
    writing = false;
  })();
  while (writing) {
    expect(texts).toContain(readFileSync(path, 'utf8'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await writer;
});

describe('a failure', () => {
  it('names path, step and errno, and leaves the target alone', async () => {
    mkdirSync(at('file'));
    const attempt = writeFileAtomic({ path: at('file'), data: 'x' });
    await expect(attempt).rejects.toMatchObject({
      code: 'FILE_WRITE_FAILED',
      data: { path: at('file'), operation: 'rename', errnoName: 'EISDIR' },
    });
    expect(readdirSync(at())).toEqual(['file']);
  });

  it('of a path that leads through a file', async () => {
    writeFileSync(at('flat'), '');
    const attempt = writeFileAtomic({ path: at('flat', 'below', 'file'), data: 'x' });
    await expect(attempt).rejects.toMatchObject({ data: { operation: 'mkdir', errnoName: 'ENOTDIR' } });
  });
});

it('replaces a symbolic link itself, as a rename does', async () => {
  writeFileSync(at('elsewhere'), 'untouched');
  symlinkSync(at('elsewhere'), at('link'));
  await writeFileAtomic({ path: at('link'), data: 'new' });
  expect(readFileSync(at('elsewhere'), 'utf8')).toBe('untouched');
  expect(readFileSync(at('link'), 'utf8')).toBe('new');
});
