const LONGEST = 80;

/** Characters that change how the rest of a line looks, beyond those that JSON escapes: C1 controls, line ends, directions. */
const DECEPTIVE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A value for a message: quoted, control characters escaped, cut, and without the password of a URL. */
export function showText(text: string, { secret = false }: { secret?: boolean | undefined } = {}): string {
  if (secret) return '(hidden)';
  const masked = text.replaceAll(/\/\/[^@/]*@/g, '//(hidden)@');
  const short = masked.length > LONGEST ? `${masked.slice(0, LONGEST)}…` : masked;
  return JSON.stringify(short).replaceAll(DECEPTIVE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
