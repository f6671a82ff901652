/*
 * JSON text as Go's encoding/json writes it. Lease values are compared by tools and eyes across both implementations, so a
 * value that we rewrite must come out byte for byte as flanneld would have written it:
 *
 * - no white space between tokens;
 * - `<`, `>` and `&` inside strings become \u003c, \u003e and \u0026, because Go's encoder protects HTML by default;
 * - U+2028 and U+2029 are escaped likewise, because they end a line in old JavaScript;
 * - number text stays as it is (json.RawMessage): 1.0 remains 1.0, and integers above 2^53 keep every digit.
 *
 * None of the escaped characters can stand outside a string, so escaping can treat the text as a whole.
 */

const ESCAPED = /[<>&\u2028\u2029]/g;
/** A string with its escapes, or a run of white space. What matches neither is copied. */
const STRING_OR_SPACE = /"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\n\r]+/gs;

/** `text`, which is valid JSON, in Go's compact form. */
export function goJsonText(text: string): string {
  const compact = text.replace(STRING_OR_SPACE, (token) => (token.startsWith('"') ? token : ''));
  return compact.replace(ESCAPED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A plain value in Go's form. `value` must be representable in JSON. */
export function goJson(value: unknown): string {
  return goJsonText(JSON.stringify(value));
}

/** Go finds struct members by folded name: ASCII case, and the two other letters that fold to ASCII ones (s and k). */
export function foldMemberName(name: string): string {
  return name.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}
