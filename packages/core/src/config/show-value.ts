const LONGEST = 80;

/** A value for a message: quoted, control characters escaped, cut, and without the password of a URL. */
export function showText(text: string, { secret = false }: { secret?: boolean | undefined } = {}): string {
  if (secret) return '(hidden)';
  const masked = text.replaceAll(/\/\/[^@/]*@/g, '//(hidden)@');
  return JSON.stringify(masked.length > LONGEST ? `${masked.slice(0, LONGEST)}…` : masked);
}
