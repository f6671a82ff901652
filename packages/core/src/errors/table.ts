import { addressErrors } from './address-errors';
import { backendErrors } from './backend-errors';
import { configErrors } from './config-errors';
import { datastoreErrors } from './datastore-errors';
import { ifaceErrors } from './iface-errors';
import { kernelErrors } from './kernel-errors';
import { kernelPathErrors } from './kernel-path-errors';
import { leaseErrors } from './lease-errors';
import { optionErrors } from './option-errors';
import { packetLoopErrors } from './packet-loop-errors';
import { runtimeErrors } from './runtime-errors';
import { trafficErrors } from './traffic-errors';
import type { ErrorDefinition } from './define-errors';

/** Every error code of Tartan. docs/errors.md is generated from it and a test pins the list of codes. */
export const errorTable = {
  ...addressErrors,
  ...configErrors,
  ...optionErrors,
  ...datastoreErrors,
  ...leaseErrors,
  ...kernelErrors,
  ...kernelPathErrors,
  ...backendErrors,
  ...packetLoopErrors,
  ...ifaceErrors,
  ...runtimeErrors,
  ...trafficErrors,
} as const;

export type ErrorCode = keyof typeof errorTable;

/** The typed data that belongs to a code. */
export type ErrorData<Code extends ErrorCode> =
  (typeof errorTable)[Code] extends ErrorDefinition<infer Data> ? Data : never;
