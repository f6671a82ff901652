export type { ConfigProblem } from './config-errors';
export * from './define-errors';
export * from './tartan-error';
export { errorTable, type ErrorCode, type ErrorData } from './table';
