/*
 * Turns any field of a log line into plain data that JSON can hold. It must survive everything that code may put into a field
 * (circular objects, BigInt, Map, getters that throw) and must not let a secret through: members with a telling name are
 * blanked, and so are passwords inside URLs and private keys inside text.
 */

/** Plain JSON data; `undefined` members are left out when printed. */
export type LogValue = null | undefined | boolean | number | string | LogValue[] | { [member: string]: LogValue };

export interface LogValueOptions {
  /** Adds stack traces to errors. */
  readonly stacks: boolean;
}

const REDACTED = '[redacted]';
const SECRET_NAME =
  /passw|passphrase|secret|token|authorization|cookie|credential|apikey|privatekey|presharedkey|^psk$/;
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;

/** All fields of a line. Never throws. */
export function logFields(fields: object, options: LogValueOptions): Record<string, LogValue> {
  return new Converter(options).members(fields, 0);
}

/** Blanks secrets inside running text. */
export function redactText(text: string): string {
  return text.replace(URL_PASSWORD, `$1:${REDACTED}@`).replace(PRIVATE_KEY, REDACTED);
}

class Converter {
  /** Objects on the way from the root to the present one. */
  private readonly path = new Set<object>();

  constructor(private readonly options: LogValueOptions) {}

  members(object: object, depth: number): Record<string, LogValue> {
    const plain: Record<string, LogValue> = {};
    for (const key of Object.keys(object).slice(0, MAX_ITEMS)) {
      plain[key] = isSecretName(key) ? REDACTED : this.guarded(() => (object as Record<string, unknown>)[key], depth);
    }
    return plain;
  }

  /** Reading a member may run a getter, converting it a toJSON(); both are strangers' code. */
  private guarded(read: () => unknown, depth: number): LogValue {
    try {
      return this.convert(read(), depth);
    } catch {
      return '[unreadable]';
    }
  }

  private convert(value: unknown, depth: number): LogValue {
    switch (typeof value) {
      case 'string':
        return redactText(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
      case 'symbol':
        return String(value);
      case 'function':
        return `[function ${value.name}]`;
      case 'object':
        return value === null ? null : this.nested(value, depth);
      case 'boolean':
      case 'undefined':
        return value;
    }
  }

  private nested(value: object, depth: number): LogValue {
    if (this.path.has(value)) return '[circular]';
    if (depth >= MAX_DEPTH) return '[deep]';
    this.path.add(value);
    try {
      return this.object(value, depth + 1);
    } finally {
      this.path.delete(value);
    }
  }

  private object(value: object, depth: number): LogValue {
    if (value instanceof Error) return this.error(value, depth);
    if (value instanceof Map) return this.members(Object.fromEntries(entriesOf(value)), depth);
    if (Array.isArray(value) || value instanceof Set) return this.items(value, depth);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    const { toJSON } = value as { toJSON?: unknown };
    return typeof toJSON === 'function' ? this.convert(toJSON.call(value), depth) : this.members(value, depth);
  }

  private items(values: Iterable<unknown>, depth: number): LogValue[] {
    const all = [...values];
    const shown = all.slice(0, MAX_ITEMS).map((item) => this.guarded(() => item, depth));
    return all.length > MAX_ITEMS ? [...shown, `[${all.length - MAX_ITEMS} more]`] : shown;
  }

  /** Code, message and what lies behind it. Members of foreign errors are left out: they may hold whole requests. */
  private error(error: Error, depth: number): LogValue {
    const { code } = error as { code?: unknown };
    const causes = error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause];
    return {
      ...((typeof code === 'string' || typeof code === 'number') && { code }),
      message: redactText(error.message === '' ? error.name : error.message),
      ...(causes.length > 0 && { causes: this.items(causes, depth) }),
      ...(this.options.stacks && error.stack !== undefined && { stack: redactText(error.stack) }),
    };
  }
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.toLowerCase().replaceAll(/[-_ .]/g, ''));
}

function entriesOf(map: ReadonlyMap<unknown, unknown>): [string, unknown][] {
  return [...map].map(([key, value]) => [typeof key === 'string' ? key : JSON.stringify(key), value]);
}
