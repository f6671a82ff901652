/**
 * The words of a line of `iptables -S`. The tool puts words with blanks into double quotes and escapes quotes and backslashes in them
 * (xtables_save_string in libxtables/xtables.c, iptables 1.8.9).
 */
export function xtWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1'),
  );
}

/** One match, target or address with the words that belong to it: `-s 10.0.0.0/8`, `-m mark --mark 0x1`, `-j ACCEPT`. */
export interface XtOption {
  readonly name: string;
  readonly not: boolean;
  readonly values: readonly string[];
}

/** The options of a rule, in order; `!` belongs to the one behind it. `words` starts after the chain's name. */
export function xtOptions(words: readonly string[]): XtOption[] {
  const options: { name: string; not: boolean; values: string[] }[] = [];
  let not = false;
  for (const word of words) {
    if (word === '!') not = true;
    else if (/^--?[a-zA-Z]/.test(word)) {
      options.push({ name: word, not, values: [] });
      not = false;
    } else options.at(-1)?.values.push(word);
  }
  return options;
}
