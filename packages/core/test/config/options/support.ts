import { isTartanError, parseDaemonOptions, type DaemonOptions } from '@tartan/core';

/** Where the options come from; `file` is the text of the file that --config names. */
export interface Given {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly file?: string;
}

export function parse({ argv = [], env = {}, file }: Given): DaemonOptions {
  const withFile = file === undefined ? argv : ['--config=/etc/tartan.json', ...argv];
  return parseDaemonOptions({
    argv: withFile,
    env,
    readFile: (path) => {
      if (path !== '/etc/tartan.json' || file === undefined) throw new Error(`ENOENT: ${path}`);
      return file;
    },
  });
}

export function failure(given: Given): { code: string; message: string } {
  try {
    parse(given);
  } catch (error) {
    if (isTartanError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('expected an error');
}
