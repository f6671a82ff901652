import { TartanError } from '../errors';

/*
 * `--iface-regex` was written for Go's RE2; we have JavaScript's. For names and addresses the two agree, except for a few
 * forms that JavaScript would read as something else without a word. Flags in front and named groups are translated, the
 * rest is refused, so that an expression never silently matches another set of interfaces than it did under flanneld.
 */

const ONLY_RE2: readonly (readonly [RegExp, string])[] = [
  [/\[\[:\^?\w+:\]/, 'character classes such as [[:digit:]]; write [0-9]'],
  [/\\[AzQEC]/, '\\A, \\z, \\C and \\Q...\\E; write ^, $ or plain escapes'],
  [/\\[pP]/, '\\p{...}; names and addresses are plain ASCII'],
  [/\(\?[A-Za-z-]+[:)]/, 'flags inside the expression; put (?i) in front'],
];

/** Compiles an unanchored expression. Throws IFACE_OPTION_INVALID. */
export function compileInterfaceRegex(text: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const body = text.slice(flags?.[0].length ?? 0).replaceAll('(?P<', '(?<');
  const foreign = ONLY_RE2.find(([form]) => form.test(body));
  if (foreign) throw invalid(text, `a JavaScript regular expression, which does not know ${foreign[1]}`);
  try {
    return new RegExp(body, [...new Set(flags?.[1] ?? '')].join(''));
  } catch (error) {
    throw invalid(text, 'a regular expression', error);
  }
}

function invalid(value: string, expected: string, cause?: unknown): TartanError<'IFACE_OPTION_INVALID'> {
  return new TartanError('IFACE_OPTION_INVALID', { option: '--iface-regex', value, expected }, { cause });
}
