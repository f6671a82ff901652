import { accepted, rejected, type Parsed } from './parsed';

/** A member of a JSON object in the order and with the text that was written; duplicates are all there. */
export interface RawMember {
  readonly name: string;
  /** The value as written, without surrounding white space. */
  readonly text: string;
}

/**
 * The members of the object that `text` holds. JSON.parse checks the grammar, natively and without recursion; what it would
 * lose (digits of large integers, duplicate names, the order of names that look like integers) is then taken from the text.
 * `null` counts as an object without members, as it does for Go.
 */
export function readMembers(text: string): Parsed<readonly RawMember[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return rejected(`not valid JSON: ${(error as Error).message}`);
  }
  if (parsed === null) return accepted([]);
  if (typeof parsed !== 'object' || Array.isArray(parsed)) return rejected('not a JSON object');
  try {
    return accepted(scanMembers(text));
  } catch (error) {
    return rejected((error as Error).message);
  }
}

/** Nobody nests like this in earnest, and everything that later walks the values does so by recursion. */
const DEEPEST = 500;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
/** What changes the nesting, or hides characters that look as if they did. */
const STRUCTURE = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

/** `text` is known to be a valid JSON object. */
function scanMembers(text: string): RawMember[] {
  const members: RawMember[] = [];
  let at = text.indexOf('{') + 1;
  for (;;) {
    at = skip(SPACE, text, at);
    if (text[at] === '}') return members;
    const nameEnd = skip(STRING, text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const start = skip(SPACE, text, skip(SPACE, text, nameEnd) + 1);
    const end = endOfValue(text, start);
    members.push({ name, text: text.slice(start, end).trimEnd() });
    at = text[end] === ',' ? end + 1 : end;
  }
}

/** Position of the comma or brace that ends the value which starts at `start`. */
function endOfValue(text: string, start: number): number {
  STRUCTURE.lastIndex = start;
  for (let depth = 0; ;) {
    const found = STRUCTURE.exec(text);
    if (!found) return text.length;
    const [token] = found;
    if (depth === 0 && (token === ',' || token === '}')) return found.index;
    if (token === '{' || token === '[') depth++;
    if (depth > DEEPEST) throw new RangeError(`nested deeper than ${DEEPEST} levels`);
    if (token === '}' || token === ']') depth--;
  }
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
