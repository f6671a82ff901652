import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { objectFilePath } from '../../src/kernel-path/addon';
import { linkProgram, parseObjectFile } from '../../src/kernel-path/object-file';

const file = readFileSync(objectFilePath);
const source = join(dirname(objectFilePath), 'kernel-path.bpf.c');
const canBuild =
  ['/usr/bin/clang', '/usr/local/bin/clang'].some((path) => existsSync(path)) &&
  existsSync('/usr/include/bpf/bpf_helpers.h');
if (!canBuild) {
  console.warn(
    'SKIPPED: the object file of the kernel path is not built anew and compared (needs clang and libbpf-dev)',
  );
}

describe('the object file that is shipped', () => {
  const object = parseObjectFile(file);

  it('is built from the source beside it (native/bpf/build-object builds it)', () => {
    expect(object.sourceHash).toBe(createHash('sha256').update(readFileSync(source)).digest('hex'));
  });

  // Compilers of different releases make different instructions, so those are not compared. Where there is no clang, the hash says enough.
  (canBuild ? it : it.skip)('has the same programs and tables as one that is built here', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tartan-bpf-'));
    try {
      const output = join(folder, 'built.o');
      execFileSync(join(dirname(objectFilePath), 'build-object'), [output], { stdio: 'pipe' });
      const built = parseObjectFile(readFileSync(output));
      expect(built.maps).toEqual(object.maps);
      expect(built.programs.map(({ name }) => name)).toEqual(object.programs.map(({ name }) => name));
      expect(built.sourceHash).toBe(object.sourceHash);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has the tables and programs that the loader knows', () => {
    expect(object.license).toBe('GPL');
    expect(object.programs.map(({ name }) => name)).toEqual(['tun_egress', 'uplink_ingress', 'tunnel_ingress']);
    expect(object.maps).toEqual([
      { name: 'config_map', type: 2, keyBytes: 4, valueBytes: 52, entriesMax: 1, flags: 0 },
      { name: 'counters_map', type: 6, keyBytes: 4, valueBytes: 88, entriesMax: 1, flags: 0 },
      { name: 'peers4', type: 11, keyBytes: 8, valueBytes: 8, entriesMax: 65536, flags: 1 },
      { name: 'peers6', type: 11, keyBytes: 20, valueBytes: 8, entriesMax: 65536, flags: 1 },
    ]);
  });

  it('gets the descriptors of its tables', () => {
    const descriptors = new Map(object.maps.map(({ name }, place) => [name, 100 + place]));
    for (const program of object.programs) {
      const linked = linkProgram(program, (name) => descriptors.get(name) ?? -1);
      expect(program.relocations.length).toBeGreaterThan(0);
      for (const { offset, map } of program.relocations) {
        expect(linked.readUInt8(offset)).toBe(0x18);
        expect(linked.readUInt8(offset + 1) >> 4).toBe(1);
        expect(linked.readUInt32LE(offset + 4)).toBe(descriptors.get(map));
      }
      const touched = new Set(program.relocations.map(({ offset }) => offset));
      for (let at = 0; at < linked.length; at += 8) {
        if (touched.has(at)) continue;
        expect(linked.subarray(at, at + 8)).toEqual(program.instructions.subarray(at, at + 8));
      }
    }
  });
});

describe('a file that is none', () => {
  const refused = expect.objectContaining({ code: 'UDP_KERNEL_PATH_UNAVAILABLE' }) as Error;

  it.each([
    ['empty', Buffer.alloc(0)],
    ['text', Buffer.from('#!/bin/sh\n'.repeat(100))],
    ['of another machine', Buffer.from(file).fill(62, 18, 19)],
    ['big-endian', Buffer.from(file).fill(2, 5, 6)],
  ])('is refused: %s', (_, bytes) => {
    expect(() => parseObjectFile(bytes)).toThrow(refused);
  });

  it('is refused wherever it was cut off', () => {
    for (let length = 0; length < file.length; length += 97) {
      expect(() => parseObjectFile(file.subarray(0, length))).toThrow(refused);
    }
  });
});
