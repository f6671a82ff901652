import type { LogValue } from './log-value';

/** A log line before it is printed; fields are plain data. */
export interface LogLineParts {
  readonly time: Date;
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, LogValue>>;
}

const RESERVED: ReadonlySet<string> = new Set(['time', 'level', 'message']);
const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const LEVEL_COLOUR: Readonly<Record<string, string>> = {
  debug: DIM,
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};

/** One JSON object: `time` (RFC 3339, UTC), `level`, `message`, then the fields. A field of one of these names gets a `_`. */
export function jsonLine({ time, level, message, fields }: LogLineParts): string {
  const renamed = Object.entries(fields).map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, value]);
  return JSON.stringify({ time: time.toISOString(), level, message, ...Object.fromEntries(renamed) });
}

/** `2026-01-31T12:00:00.000Z INFO  message key=value`: one line whatever the values hold, so that none can forge another. */
export function textLine({ time, level, message, fields }: LogLineParts, colour: boolean): string {
  const stamp = colour ? `${DIM}${timeOfDay(time)}${RESET}` : time.toISOString();
  const name = level.toUpperCase().padEnd(5);
  const label = colour ? `${LEVEL_COLOUR[level] ?? ''}${name}${RESET}` : name;
  const pairs = Object.entries(fields).flatMap(([key, value]) => pair(key, value));
  const shown = pairs.map(([key, value]) => (colour ? `${DIM}${key}=${RESET}${value}` : `${key}=${value}`));
  return [stamp, label, escapeControls(message), ...shown].join(' ');
}

/** On a terminal the date is known and the operator's own time zone is what they think in. */
function timeOfDay(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  return `${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

/** An error reads as `error="what happened" code=X cause="why; why"`, anything else as `key=value`. */
function pair(key: string, value: LogValue): [string, string][] {
  if (value === undefined) return [];
  if (!isErrorShape(value)) return [[key, scalar(value)]];
  const { message, code, causes, stack } = value;
  return [
    [key, scalar(message)],
    ...(code === undefined ? [] : [['code', scalar(code)] satisfies [string, string]]),
    ...(causes === undefined ? [] : [['cause', scalar(causeText(causes))] satisfies [string, string]]),
    ...(stack === undefined ? [] : [['stack', scalar(stack)] satisfies [string, string]]),
  ];
}

type ErrorShape = Record<string, LogValue> & { readonly message: string; readonly causes?: LogValue[] };

function isErrorShape(value: LogValue): value is ErrorShape {
  const known = new Set(['message', 'code', 'causes', 'stack']);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return typeof value['message'] === 'string' && Object.keys(value).every((key) => known.has(key));
}

function causeText(causes: LogValue): string {
  const list = Array.isArray(causes) ? causes : [causes];
  return list.map((cause) => (isErrorShape(cause) ? describeError(cause) : scalar(cause))).join('; ');
}

function describeError({ message, code, causes }: ErrorShape): string {
  const coded = code === undefined || typeof code === 'object' ? message : `${message} (${code})`;
  return causes === undefined ? coded : `${coded}: ${causeText(causes)}`;
}

/** Bare where no reader could be misled, else as JSON. */
function scalar(value: LogValue): string {
  if (typeof value === 'string') return /^[\w./:@%+,&-]+$/.test(value) ? value : quote(value);
  return escapeControls(value === undefined ? 'undefined' : JSON.stringify(value));
}

const quote = (text: string): string => escapeControls(JSON.stringify(text));

/** Control characters (C0, DEL, C1) and line separators as \uXXXX: terminals obey them, line readers split at them. */
function escapeControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
