import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeAddonPlaces, prebuildTarget } from '@tartan/core';

describe('prebuildTarget', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'target-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** The beginning of an ELF file as far as it matters: something, the loader's path, something. */
  function programWith(loader: string): string {
    const program = join(folder, 'node');
    writeFileSync(
      program,
      Buffer.concat([Buffer.alloc(0x318, 1), Buffer.from(`${loader}\0`), Buffer.alloc(20_000, 1)]),
    );
    return program;
  }

  it.each([
    ['/lib64/ld-linux-x86-64.so.2', 'x64', 'linux-x64'],
    ['/lib/ld-linux-aarch64.so.1', 'arm64', 'linux-arm64'],
    ['/lib/ld-musl-x86_64.so.1', 'x64', 'linux-x64-musl'],
    ['/lib/ld-musl-aarch64.so.1', 'arm64', 'linux-arm64-musl'],
  ])('with the loader %s on %s is %s', (loader, arch, target) => {
    expect(prebuildTarget({ platform: 'linux', arch, program: programWith(loader) })).toBe(target);
  });

  it('takes glibc when the program cannot be read, and no C library elsewhere', () => {
    expect(prebuildTarget({ platform: 'linux', arch: 'x64', program: join(folder, 'none') })).toBe('linux-x64');
    const program = programWith('/lib/ld-musl-aarch64.so.1');
    expect(prebuildTarget({ platform: 'darwin', arch: 'arm64', program })).toBe('darwin-arm64');
  });

  it('reads files shorter than a page', () => {
    const program = join(folder, 'short');
    writeFileSync(program, '#!/bin/sh\n');
    expect(prebuildTarget({ platform: 'linux', arch: 'x64', program })).toBe('linux-x64');
  });
});

it('an addon that was built here goes before the one that was shipped', () => {
  expect(nativeAddonPlaces('/package', 'a.node')).toEqual([
    '/package/native/build/Release/a.node',
    `/package/prebuilds/${prebuildTarget()}/a.node`,
  ]);
});
