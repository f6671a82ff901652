/** Fields of a log line. Names come from one dictionary: lease, peer, ifname, subnet, endpoint, key, code, error, ... */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * What every part of Tartan logs through. Messages are constant text, values are fields; secrets never become fields.
 * The daemon binds it to winston, tests to a recorder.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** Drops everything: the default where a caller does not care. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
