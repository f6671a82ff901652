import fc from 'fast-check';
import { Readable } from 'node:stream';
import { readLines, splitItems } from '../src/api/split-json';

/** `bytes` in pieces that end at the given places, whatever these cut through. */
function inPieces(bytes: Buffer, cuts: readonly number[]): Readable {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const starts = [0, ...places];
  const pieces = starts.map((start, index) => bytes.subarray(start, starts[index + 1] ?? bytes.length));
  return Readable.from(
    pieces.filter(({ length }) => length > 0),
    { objectMode: false },
  );
}

const cuts = fc.array(fc.nat({ max: 5_000 }), { maxLength: 40 });
const item = fc.dictionary(
  fc.oneof(fc.constantFrom('items', 'metadata', 'a"b\\', '\\'), fc.string()),
  fc.jsonValue({ maxDepth: 2 }),
);

describe('splitItems', () => {
  it('gives every element of items, and the frame without them, however the bytes arrive', async () => {
    const list = fc.record({ items: fc.array(item, { maxLength: 4 }), metadata: item, before: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(list, cuts, fc.constantFrom(undefined, 1), async ({ items, metadata, before }, at, space) => {
        // An array of objects in front that is no member of the list, and items at the end or not.
        const text = JSON.stringify(
          before ? { kind: [{ items: [{}] }], items, metadata } : { metadata, items },
          null,
          space,
        );
        const found: unknown[] = [];
        const frame = await splitItems(inPieces(Buffer.from(text), at), (bytes) =>
          found.push(JSON.parse(bytes.toString('utf8'))),
        );
        expect(JSON.stringify(found)).toBe(JSON.stringify(items));
        expect(JSON.stringify(frame.metadata)).toBe(JSON.stringify(metadata));
      }),
    );
  });

  it('finds items by how they begin, and where they begin otherwise as well', async () => {
    const node = fc.record({ metadata: fc.record({ name: fc.string(), at: fc.string() }), spec: item });
    const listOf = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.oneof(listOf(node), listOf(item)), cuts, async (items, at) => {
        const found: unknown[] = [];
        const text = JSON.stringify({ metadata: { resourceVersion: '7' }, items, last: 'x' });
        const frame = await splitItems(
          inPieces(Buffer.from(text), at),
          (bytes) => found.push(JSON.parse(bytes.toString('utf8'))),
          '{"metadata":{"name":',
        );
        expect(JSON.stringify(found)).toBe(JSON.stringify(items));
        expect(frame.metadata).toEqual({ resourceVersion: '7' });
      }),
    );
  });

  it.each(['{"items":[{"a":1}', '{"items":[{"a":"', '{"metadata":{}', '{"items":[{"a":"\\'])(
    'rejects a text that ends early: %s',
    async (text) => {
      await expect(splitItems(inPieces(Buffer.from(text), []), () => undefined)).rejects.toThrow(/ended/);
    },
  );

  it('rejects with what broke the stream, and with what its reader throws', async () => {
    const broken = new Readable({ read: () => undefined });
    const rejected = expect(splitItems(broken, () => undefined)).rejects.toThrow('cut off');
    broken.destroy(new Error('cut off'));
    await rejected;
    const reader = (): void => {
      throw new Error('no node');
    };
    await expect(splitItems(inPieces(Buffer.from('{"items":[{}]}'), []), reader)).rejects.toThrow('no node');
  });
});

describe('readLines', () => {
  it('gives every line that is not empty, the last one without an end as well', async () => {
    const lines = fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', '')));
    await fc.assert(
      fc.asyncProperty(lines, cuts, async (all, at) => {
        const found: string[] = [];
        await readLines(inPieces(Buffer.from(all.join('\n')), at), (line) => found.push(line.toString('utf8')) > 0);
        expect(found).toEqual(all.filter((line) => line !== ''));
      }),
    );
  });

  it('stops when it is told to', async () => {
    const found: string[] = [];
    const stream = inPieces(Buffer.from('a\nb\nc\n'), []);
    await readLines(stream, (line) => found.push(line.toString('utf8')) < 2);
    expect(found).toEqual(['a', 'b']);
    expect(stream.destroyed).toBe(true);
  });
});
