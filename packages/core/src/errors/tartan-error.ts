import type { ErrorDefinition } from './define-errors';
import { errorTable, type ErrorCode, type ErrorData } from './table';

/**
 * The only error class that Tartan throws on purpose. Callers classify by `code` and read `data`; message text may change
 * in any release.
 */
export class TartanError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly data: ErrorData<Code>;

  constructor(code: Code, data: ErrorData<Code>, options: { cause?: unknown } = {}) {
    const definition = errorTable[code] as unknown as ErrorDefinition<ErrorData<Code>>;
    super(definition.message(data), options);
    this.name = 'TartanError';
    this.code = code;
    this.data = data;
  }
}

/** True when `error` is a TartanError with one of `codes` (or any code when none is given). */
export function isTartanError<Code extends ErrorCode>(error: unknown, ...codes: Code[]): error is TartanError<Code> {
  return error instanceof TartanError && (codes.length === 0 || codes.includes(error.code as Code));
}
