import type { LogFields, Logger } from '../runtime';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

/** Records every line, children's included, for tests. */
export class MemoryLogger implements Logger {
  constructor(
    readonly lines: LogLine[] = [],
    private readonly bound: LogFields = {},
  ) {}

  debug(message: string, fields: LogFields = {}): void {
    this.add('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.add('info', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.add('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.add('error', message, fields);
  }

  child(fields: LogFields): MemoryLogger {
    return new MemoryLogger(this.lines, { ...this.bound, ...fields });
  }

  /** Lines whose message contains `text`. */
  matching(text: string): LogLine[] {
    return this.lines.filter((line) => line.message.includes(text));
  }

  private add(level: LogLine['level'], message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields: { ...this.bound, ...fields } });
  }
}
