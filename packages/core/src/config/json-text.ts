import type { Json } from '../lease/lease';
import { showText } from './show-value';

/*
 * JSON (RFC 8259) with positions. JSON.parse would do but for four things that a person who edits a config needs: the line and
 * column of a mistake on every version of Node, a hint at the usual ones, the place of every value for the checks that come
 * later, and members in the order written, duplicates included (Go, which the original is written in, lets the last one win
 * whatever its case). Nesting is limited so that hostile text cannot exhaust the stack.
 */

/** Where a value starts, counted from 1. */
export interface JsonPosition {
  readonly line: number;
  readonly column: number;
}

export interface JsonMember extends JsonPosition {
  readonly name: string;
  readonly value: JsonNode;
}

export type JsonNode = JsonPosition &
  (
    | { readonly kind: 'object'; readonly members: readonly JsonMember[] }
    | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
    | { readonly kind: 'string'; readonly value: string }
    /** `text` as written: 24, 24.0 and 2.4e1 are not the same to every reader. */
    | { readonly kind: 'number'; readonly text: string }
    | { readonly kind: 'boolean'; readonly value: boolean }
    | { readonly kind: 'null' }
  );

/** The text is not JSON. The message is one line with position and hint. */
export class JsonSyntaxError extends Error implements JsonPosition {
  constructor(
    readonly problem: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(`not JSON at line ${line}, column ${column}: ${problem}`);
    this.name = 'JsonSyntaxError';
  }
}

/** Throws JsonSyntaxError. */
export function parseJsonText(text: string): JsonNode {
  const parser = new Parser(text);
  const root = parser.value(0);
  parser.end();
  return root;
}

/** The plain value. Of members with the same name the last one counts, in value and in order. */
export function nodeToJson(node: JsonNode): Json {
  switch (node.kind) {
    case 'object':
      return membersToJson(node.members);
    case 'array':
      return node.items.map(nodeToJson);
    case 'string':
    case 'boolean':
      return node.value;
    case 'number':
      return Number(node.text);
    case 'null':
      return null;
  }
}

export function membersToJson(members: readonly JsonMember[]): Record<string, Json> {
  const byName = new Map<string, Json>();
  for (const { name, value } of members) {
    byName.delete(name);
    byName.set(name, nodeToJson(value));
  }
  return Object.fromEntries(byName);
}

/** The value in a message: scalars as written, no contents of arrays and objects. */
export function describeNode(node: JsonNode): string {
  switch (node.kind) {
    case 'object':
      return 'an object';
    case 'array':
      return 'an array';
    case 'string':
      return showText(node.value);
    case 'number':
      return node.text.length > 80 ? `${node.text.slice(0, 80)}…` : node.text;
    case 'boolean':
      return String(node.value);
    case 'null':
      return 'null';
  }
}

const DEEPEST = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$-]*/uy;
const WHITE_SPACE = /[ \t\n\r]*/y;

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  value(depth: number): JsonNode {
    this.skip(WHITE_SPACE);
    if (depth > DEEPEST) throw this.fail(`nested deeper than ${DEEPEST} levels`);
    const position = this.position(this.at);
    const next = this.text[this.at];
    if (next === '{') return { ...position, kind: 'object', members: this.members(depth) };
    if (next === '[') return { ...position, kind: 'array', items: this.items(depth) };
    if (next === '"') return { ...position, kind: 'string', value: this.string() };
    const number = this.skip(NUMBER);
    if (number !== '') return { ...position, kind: 'number', text: number };
    return { ...position, ...this.literal() };
  }

  end(): void {
    this.skip(WHITE_SPACE);
    if (this.at < this.text.length) throw this.unexpected('the end');
  }

  private members(depth: number): JsonMember[] {
    return this.sequence('}', () => {
      const position = this.position(this.at);
      if (this.text[this.at] !== '"') throw this.unexpected('a name in double quotes');
      const name = this.string();
      this.skip(WHITE_SPACE);
      if (this.text[this.at] !== ':') throw this.unexpected('":"');
      this.at++;
      return { ...position, name, value: this.value(depth + 1) };
    });
  }

  private items(depth: number): JsonNode[] {
    return this.sequence(']', () => this.value(depth + 1));
  }

  /** The elements between an opening character, on which we stand, and `close`. */
  private sequence<Element>(close: string, element: () => Element): Element[] {
    const elements: Element[] = [];
    this.at++;
    this.skip(WHITE_SPACE);
    if (this.text[this.at] === close) {
      this.at++;
      return elements;
    }
    for (;;) {
      elements.push(element());
      this.skip(WHITE_SPACE);
      const next = this.text[this.at];
      if (next !== ',' && next !== close) throw this.unexpected(`"," or "${close}"`);
      this.at++;
      if (next === close) return elements;
      this.skip(WHITE_SPACE);
      if (this.text[this.at] === close) throw this.fail('a comma stands before the end; remove it');
    }
  }

  private string(): string {
    const start = this.at;
    for (this.at++; this.text[this.at] !== '"'; this.at++) {
      if (this.text[this.at] === '\\') this.at++;
      else if (!(this.text.charCodeAt(this.at) >= 0x20)) throw this.fail('the text is not closed by "', start);
    }
    this.at++;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.fail('a backslash in the text starts no known escape; write \\\\ for a backslash', start);
    }
  }

  private literal(): { kind: 'boolean'; value: boolean } | { kind: 'null' } {
    const start = this.at;
    const word = this.skip(WORD);
    if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' };
    if (word === 'null') return { kind: 'null' };
    this.at = start;
    if (/^(?:true|false|null|none|yes|no|on|off)$/i.test(word)) {
      throw this.fail(`found ${word}; write true, false or null, in lower case and without quotes`);
    }
    throw this.unexpected('a value');
  }

  private skip(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  private unexpected(expected: string): JsonSyntaxError {
    const rest = this.text.slice(this.at, this.at + 40);
    const [found] = rest;
    if (found === undefined) return this.fail(`the text ends, expected ${expected}`);
    const hint = hintAt(rest);
    return this.fail(`found ${showText(found)}, expected ${expected}${hint === undefined ? '' : `; ${hint}`}`);
  }

  private fail(problem: string, at = Math.min(this.at, this.text.length)): JsonSyntaxError {
    const { line, column } = this.position(at);
    return new JsonSyntaxError(problem, line, column);
  }

  private position(at: number): JsonPosition {
    return { line: this.lineAt(at), column: at - this.lineStart + 1 };
  }

  // Positions are asked for in ascending order but for the start of a broken text, so that counting stays linear.
  private line = 1;
  private lineStart = 0;
  private lineEnd: number | undefined;

  private lineAt(at: number): number {
    if (at < this.lineStart) [this.line, this.lineStart, this.lineEnd] = [1, 0, undefined];
    for (;;) {
      this.lineEnd ??= this.breakAfter(this.lineStart);
      if (this.lineEnd >= at) return this.line;
      this.line++;
      this.lineStart = this.lineEnd + 1;
      this.lineEnd = undefined;
    }
  }

  private breakAfter(start: number): number {
    const found = this.text.indexOf('\n', start);
    return found < 0 ? Number.POSITIVE_INFINITY : found;
  }
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^'/, 'names and texts take double quotes'],
  [/^[“”„‟]/, 'these are typographic quotes, use plain ones'],
  [/^(?:\/[/*]|#)/, 'JSON has no comments'],
  [/^"/, 'a comma seems to be missing before it'],
  [/^[\p{L}_$]/u, 'names and texts take double quotes'],
  [/^[+.]/, 'a number starts with a digit or a minus sign'],
  [/^\uFEFF/, 'the file starts with a byte order mark, save it without'],
  [/^=/, 'a colon stands between name and value'],
];

function hintAt(rest: string): string | undefined {
  return HINTS.find(([pattern]) => pattern.test(rest))?.[1];
}
