import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the kernel made of some bytes: see ../golden/record.py. */
export interface GoldenCase {
  readonly name: string;
  readonly in: Buffer;
  readonly out: readonly Buffer[];
}

export function goldenCases(file: 'segments.txt' | 'icmp-errors.txt'): GoldenCase[] {
  const text = readFileSync(join(__dirname, '..', 'golden', file), 'utf8');
  const [, ...paragraphs] = text.trimEnd().split('\n\n');
  return paragraphs.map((paragraph) => {
    const [name = '', ...lines] = paragraph.split('\n');
    const bytes = (word: string): Buffer[] =>
      lines
        .filter((line) => line.startsWith(`${word} `))
        .map((line) => Buffer.from(line.slice(word.length + 1), 'hex'));
    return { name, in: bytes('in')[0] as Buffer, out: bytes('out') };
  });
}
