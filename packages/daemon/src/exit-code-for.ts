import { EXIT_CODE, type ExitCode, isTartanError } from '@tartan/core';

/** A --backend-module that is none is a wrong option; one that throws while loading may find what it misses the next time. */
const WRONG_MODULE = [
  'BACKEND_MODULE_NOT_FOUND',
  'BACKEND_MODULE_INVALID',
  'BACKEND_CONTRACT_VERSION',
  'BACKEND_TYPE_TAKEN',
] as const;

/** How a program ends that this error ended. */
export function exitCodeFor(error: unknown): ExitCode {
  if (isTartanError(error, 'LEASE_TAKEN')) return EXIT_CODE.leaseLost;
  const isUsage = isTartanError(error) && (error.code.startsWith('OPTION_') || isTartanError(error, ...WRONG_MODULE));
  return isUsage ? EXIT_CODE.usage : EXIT_CODE.failure;
}
