import { createLogger as createWinston, format, transports, type Logger as Winston } from 'winston';
import { systemClock, type Clock } from '../clock';
import { jsonLine, textLine } from '../log-line';
import { logFields, redactText, type LogValue } from '../log-value';
import type { LogFields, Logger } from '../logger';

/*
 * The daemon's log: winston does levels and transport, the shape of a line is ours. Lines go to stderr, as klog's do; stdout
 * stays free for what a command prints. Writing to a file, pipe or terminal is synchronous in Node on Linux, so a line is out
 * before a crash; other streams are flushed by close().
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'text' | 'json';

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** stderr unless told. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Colours in text lines; on a terminal unless told, never with NO_COLOR. */
  readonly colour?: boolean;
  readonly clock?: Clock;
}

/** The logger at the root; the one who made it closes it. */
export interface RootLogger extends Logger {
  /** For this logger and all of its children, from now on. */
  setLevel(level: LogLevel): void;
  /** Resolves when every line has been handed to the operating system. Lines after it are dropped. Idempotent. */
  close(): Promise<void>;
}

/** Never throws, neither here nor for any line: a log must not be what ends a daemon. */
export function createLogger(options: LogOptions): RootLogger {
  const stream = options.stream ?? process.stderr;
  // A reader that went away (EPIPE) is no reason to die.
  stream.on('error', ignore);
  const winston = createWinston({
    level: options.level,
    format: lineFormat(options, () => winston.level === 'debug'),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own types disagree here
    transports: [new transports.Stream({ stream })],
    exitOnError: false,
  });
  winston.on('error', ignore);
  return new WinstonLogger(winston);
}

const ignore = (): void => undefined;

/** The symbol under which winston's transports look for the finished line (triple-beam). */
const MESSAGE = Symbol.for('message');

function lineFormat(options: LogOptions, stacks: () => boolean): ReturnType<ReturnType<typeof format>> {
  const { clock = systemClock, stream = process.stderr } = options;
  const colour = options.colour ?? (stream.isTTY === true && !process.env['NO_COLOR']);
  return format((info) => {
    const { level, message, fieldSets } = info as unknown as LogInfo;
    const parts = {
      time: new Date(clock.now()),
      level,
      message: redactText(message),
      fields: safeFields(fieldSets, stacks()),
    };
    info[MESSAGE] = options.format === 'json' ? jsonLine(parts) : textLine(parts, colour);
    return info;
  })();
}

/** What goes through winston; later sets of fields win. */
interface LogInfo {
  readonly level: LogLevel;
  readonly message: string;
  readonly fieldSets: readonly (LogFields | undefined)[];
}

function safeFields(sets: LogInfo['fieldSets'], stacks: boolean): Record<string, LogValue> {
  try {
    return logFields(Object.assign({}, ...sets) as object, { stacks });
  } catch {
    return { fields: '[unreadable]' };
  }
}

class WinstonLogger implements RootLogger {
  private closing: Promise<void> | undefined;

  constructor(
    private readonly winston: Winston,
    private readonly bound: LogFields = {},
  ) {}

  debug(message: string, fields?: LogFields): void {
    this.write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.write('error', message, fields);
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.winston, { ...this.bound, ...fields });
  }

  setLevel(level: LogLevel): void {
    this.winston.level = level;
  }

  close(): Promise<void> {
    return (this.closing ??= new Promise((resolve) => {
      this.winston.once('finish', () => resolve());
      this.winston.end();
    }));
  }

  private write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (this.winston.writable && this.winston.isLevelEnabled(level)) {
      const info: LogInfo = { level, message, fieldSets: [this.bound, fields] };
      this.winston.log(info as never);
    }
  }
}
