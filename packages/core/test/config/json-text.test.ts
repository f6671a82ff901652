import { JsonSyntaxError, nodeToJson, parseJsonText } from '@tartan/core';
import fc from 'fast-check';

function failure(text: string): string {
  try {
    parseJsonText(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return `${error.line}:${error.column} ${error.problem}`;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

describe('parseJsonText', () => {
  it('reads what JSON.parse reads, to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(nodeToJson(parseJsonText(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('accepts a text exactly when JSON.parse does', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\u00e9"',
      '"',
      '\\',
      '1',
      '-0.5e+3',
      '01',
      'true',
      'null',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
        (text) => {
          expect(accepts(() => parseJsonText(text))).toBe(accepts(() => JSON.parse(text) as unknown));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('knows where each value starts', () => {
    const root = parseJsonText('{\n  "a": [1,\n    true]}');
    expect(root).toMatchObject({
      line: 1,
      column: 1,
      members: [{ line: 2, column: 3, value: { line: 2, column: 8, items: [{ column: 9 }, { line: 3, column: 5 }] } }],
    });
  });

  it.each([
    ['', '1:1 the text ends, expected a value'],
    ['{"a": 1', '1:8 the text ends, expected "," or "}"'],
    ['{"a": 1,\n }', '2:2 a comma stands before the end; remove it'],
    ['[1, ]', '1:5 a comma stands before the end; remove it'],
    ['{"a": 1 "b": 2}', '1:9 found "\\"", expected "," or "}"; a comma seems to be missing before it'],
    ["{'a': 1}", '1:2 found "\'", expected a name in double quotes; names and texts take double quotes'],
    ['{a: 1}', '1:2 found "a", expected a name in double quotes; names and texts take double quotes'],
    ['{"a": vxlan}', '1:7 found "v", expected a value; names and texts take double quotes'],
    ['{"a": True}', '1:7 found True; write true, false or null, in lower case and without quotes'],
    ['{"a": 1 // x\n}', '1:9 found "/", expected "," or "}"; JSON has no comments'],
    ['# x\n{}', '1:1 found "#", expected a value; JSON has no comments'],
    ['\uFEFF{}', '1:1 found "\uFEFF", expected a value; the file starts with a byte order mark, save it without'],
    ['{“a”: 1}', '1:2 found "“", expected a name in double quotes; these are typographic quotes, use plain ones'],
    ['{"a" = 1}', '1:6 found "=", expected ":"; a colon stands between name and value'],
    ['{"a": +1}', '1:7 found "+", expected a value; a number starts with a digit or a minus sign'],
    ['{} {}', '1:4 found "{", expected the end'],
    ['{"a": "b\n"}', '1:7 the text is not closed by "'],
    ['"a\\', '1:1 the text is not closed by "'],
    ['["C:\\x"]', '1:2 a backslash in the text starts no known escape; write \\\\ for a backslash'],
  ])('explains %j', (text, expected) => {
    expect(failure(text)).toBe(expected);
  });

  it('refuses nesting that could exhaust the stack', () => {
    expect(failure('['.repeat(1_000_000))).toBe('1:66 nested deeper than 64 levels');
    expect(failure('{"a":'.repeat(1_000_000))).toContain('nested deeper');
  });

  it('reads a megabyte on one line, and on many, in linear time', () => {
    const items = Array.from({ length: 100_000 }, (_, index) => index);
    expect(nodeToJson(parseJsonText(JSON.stringify(items)))).toEqual(items);
    expect(nodeToJson(parseJsonText(JSON.stringify(items, null, 1)))).toEqual(items);
  });

  it('lets the last of several members win and keeps hostile names harmless', () => {
    const value = nodeToJson(parseJsonText('{"a": 1, "b": 2, "a": 3, "__proto__": {"x": 1}}')) as Record<
      string,
      unknown
    >;
    expect(Object.keys(value)).toEqual(['b', 'a', '__proto__']);
    expect(value['a']).toBe(3);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

function accepts(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}
