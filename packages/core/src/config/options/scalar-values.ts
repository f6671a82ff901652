/** A length of time, in both units so that no caller has to know which one a bare number would be. */
export interface Duration {
  readonly ms: number;
  readonly seconds: number;
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** The spellings of Go's strconv.ParseBool, which the flags of the original accept. */
export function parseBoolean(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

const INTEGER = /^([+-]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;

/** The spellings of Go's strconv.ParseInt with base 0: 24, 0x18, 0b11000, 0o30, 030 and 1_000, with a sign. */
export function parseInteger(text: string): number | undefined {
  const match = INTEGER.exec(text.replaceAll(/(?<=[\da-fA-FxXoObB])_(?=[\da-fA-F])/g, ''));
  if (!match) return undefined;
  const digits = (match[2] as string).replace(/^0(?=[0-7]+$)/, '0o');
  const value = Number(digits) * (match[1] === '-' ? -1 : 1);
  return Number.isSafeInteger(value) ? value : undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `90`, `90s`, `1m30s`, `500ms`, `24h`, `1.5s`: a bare number means seconds. */
export function parseDuration(text: string): Duration | undefined {
  if (/^\d+$/.test(text)) return duration(Number(text) * 1_000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return duration([...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit as string] ?? 0), 0));
}

export function duration(ms: number): Duration {
  return { ms, seconds: ms / 1_000 };
}

/** The shortest text in one unit: `24h`, `90s`, `500ms`. */
export function formatDuration({ ms }: Duration): string {
  const unit = ['h', 'm', 's'].find((name) => ms > 0 && ms % (UNIT_MS[name] as number) === 0) ?? 'ms';
  return `${ms / (UNIT_MS[unit] as number)}${unit}`;
}
