import { TartanError } from '@tartan/core';
import type { MapSpec } from './addon';

/*
 * Reads what clang makes of native/bpf/kernel-path.bpf.c: an ELF file (elf(5)) for machine 247. No more of ELF than that file uses:
 *
 *   section "maps"          20 bytes for each map, named by a symbol: type, key size, value size, entries, flags
 *   sections "tc/..."       one program each, named by a symbol
 *   sections ".reltc/..."   where a program names a map: the loader puts the map's descriptor there
 *   "license", "source_hash"  texts
 *
 * The format is small enough that libbpf, 400 KB of C that parses much more, is not worth its weight (docs/decisions).
 */

const ELF_MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const MACHINE_BPF = 247;
const SECTION_SYMBOLS = 2;
const SECTION_RELOCATIONS = 9;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 16;
/** Documentation/bpf/llvm_reloc.rst (v6.1): a 64-bit immediate that names a symbol. */
const R_BPF_64_64 = 1;
const MAP_BYTES = 20;
/** BPF_LD | BPF_IMM | BPF_DW; the source register says what the immediate is: BPF_PSEUDO_MAP_FD. */
const LOAD_IMMEDIATE = 0x18;
const PSEUDO_MAP_FD = 1;

export interface ObjectProgram {
  readonly name: string;
  readonly instructions: Buffer;
  readonly relocations: readonly { readonly offset: number; readonly map: string }[];
}

export interface ObjectFile {
  readonly license: string;
  /** SHA-256 of the C source, hexadecimal. */
  readonly sourceHash: string;
  readonly maps: readonly MapSpec[];
  readonly programs: readonly ObjectProgram[];
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
  /** Of a relocation section: the section that it is about. */
  readonly target: number;
}

interface Symbol {
  readonly name: string;
  readonly section: number;
  readonly offset: number;
}

/** Pure. Throws UDP_KERNEL_PATH_UNAVAILABLE for everything that it does not expect. */
export function parseObjectFile(file: Buffer): ObjectFile {
  try {
    return parse(file);
  } catch (error) {
    if (error instanceof TartanError) throw error;
    throw damaged('it ends too early', error);
  }
}

/** The program's instructions with the descriptors of its maps in place. */
export function linkProgram(program: ObjectProgram, descriptorOf: (map: string) => number): Buffer {
  const linked = Buffer.from(program.instructions);
  for (const { offset, map } of program.relocations) {
    if (linked.readUInt8(offset) !== LOAD_IMMEDIATE) throw damaged(`${program.name} has no load at ${offset}`);
    const destination = linked.readUInt8(offset + 1) & 0x0f;
    linked.writeUInt8(destination | (PSEUDO_MAP_FD << 4), offset + 1);
    linked.writeUInt32LE(descriptorOf(map), offset + 4);
  }
  return linked;
}

function parse(file: Buffer): ObjectFile {
  if (file.readUInt32LE(0) !== ELF_MAGIC || file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN) {
    throw damaged('it is no little-endian ELF64 file');
  }
  if (file.readUInt16LE(18) !== MACHINE_BPF) throw damaged('it is not for BPF');
  const sections = readSections(file);
  const symbols = readSymbols(file, sections);
  const mapsSection = sections.findIndex(({ name }) => name === 'maps');
  const maps = symbols
    .filter(({ section, name }) => section === mapsSection && name !== '')
    .map((symbol) => readMap(symbol, sections[mapsSection] as Section));
  const programs = sections.flatMap((section, index) =>
    section.name.startsWith('tc/') ? [readProgram({ index, sections, symbols, mapsSection })] : [],
  );
  return { license: textOf(sections, 'license'), sourceHash: textOf(sections, 'source_hash'), maps, programs };
}

function readSections(file: Buffer): Section[] {
  const table = Number(file.readBigUInt64LE(0x28));
  const entryBytes = file.readUInt16LE(0x3a);
  const headers = Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => table + index * entryBytes);
  const bytesAt = (at: number): Buffer => {
    const start = Number(file.readBigUInt64LE(at + 0x18));
    const end = start + Number(file.readBigUInt64LE(at + 0x20));
    if (end > file.length) throw damaged('a section lies behind its end');
    return file.subarray(start, end);
  };
  const names = bytesAt(headers[file.readUInt16LE(0x3e)] as number);
  return headers.map((at) => ({
    name: textAt(names, file.readUInt32LE(at)),
    type: file.readUInt32LE(at + 4),
    bytes: bytesAt(at),
    target: file.readUInt32LE(at + 0x2c),
  }));
}

function readSymbols(file: Buffer, sections: readonly Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === SECTION_SYMBOLS);
  if (!table) throw damaged('it has no symbols');
  const names = sections.find(({ name }) => name === '.strtab')?.bytes ?? Buffer.alloc(0);
  return Array.from({ length: table.bytes.length / SYMBOL_BYTES }, (_, index) => {
    const at = index * SYMBOL_BYTES;
    return {
      name: textAt(names, table.bytes.readUInt32LE(at)),
      section: table.bytes.readUInt16LE(at + 6),
      offset: Number(table.bytes.readBigUInt64LE(at + 8)),
    };
  });
}

function readMap({ name, offset }: Symbol, { bytes }: Section): MapSpec {
  if (offset + MAP_BYTES > bytes.length) throw damaged(`the map ${name} lies outside of its section`);
  const field = (place: number): number => bytes.readUInt32LE(offset + place * 4);
  return { name, type: field(0), keyBytes: field(1), valueBytes: field(2), entriesMax: field(3), flags: field(4) };
}

interface ProgramPlace {
  readonly index: number;
  readonly sections: readonly Section[];
  readonly symbols: readonly Symbol[];
  readonly mapsSection: number;
}

function readProgram({ index, sections, symbols, mapsSection }: ProgramPlace): ObjectProgram {
  const { name, bytes } = sections[index] as Section;
  const tables = sections.filter(({ type, target }) => type === SECTION_RELOCATIONS && target === index);
  const relocations = tables.flatMap(({ bytes: table }) =>
    Array.from({ length: table.length / RELOCATION_BYTES }, (_, place) => {
      const at = place * RELOCATION_BYTES;
      const symbol = symbols[table.readUInt32LE(at + 12)];
      if (table.readUInt32LE(at + 8) !== R_BPF_64_64 || symbol?.section !== mapsSection) {
        throw damaged(`${name} refers to something that is no map`);
      }
      return { offset: Number(table.readBigUInt64LE(at)), map: symbol.name };
    }),
  );
  return { name: name.slice('tc/'.length), instructions: bytes, relocations };
}

function textOf(sections: readonly Section[], name: string): string {
  const section = sections.find((candidate) => candidate.name === name);
  if (!section) throw damaged(`it has no section ${name}`);
  return textAt(section.bytes, 0);
}

function textAt(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('latin1', start, end === -1 ? bytes.length : end);
}

function damaged(problem: string, cause?: unknown): TartanError {
  return new TartanError(
    'UDP_KERNEL_PATH_UNAVAILABLE',
    { reason: `the object file with the programs cannot be used: ${problem}` },
    { cause },
  );
}
