/** Text in colour on a terminal, and just text anywhere else. */
export interface Ink {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  /** The colour of the nth host, the same wherever it appears. */
  readonly host: (text: string, index: number) => string;
}

/** Readable on dark and light backgrounds alike (xterm's 256 colours). */
const HOST_COLOURS = [33, 166, 29, 134, 203, 37, 172, 98, 65];

export function makeInk(coloured: boolean): Ink {
  const sgr = (codes: string) => (text: string) => (coloured ? `\u001b[${codes}m${text}\u001b[0m` : text);
  return {
    bold: sgr('1'),
    dim: sgr('2'),
    good: sgr('32'),
    bad: sgr('31'),
    warn: sgr('33'),
    host: (text, index) => sgr(`38;5;${HOST_COLOURS[index % HOST_COLOURS.length] ?? 0}`)(text),
  };
}

/** Terminals only, and only when nobody objects (https://no-color.org). */
export function wantsColour(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

// eslint-disable-next-line no-control-regex -- the escape sequences above
const SGR = /\u001b\[[\d;]*m/g;

/** Columns that a text takes on the terminal; only characters of width one are used. */
export function widthOf(text: string): number {
  return Array.from(text.replace(SGR, '')).length;
}

export function padRight(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}
