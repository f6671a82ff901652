import { defineErrors } from './define-errors';

export const kernelErrors = defineErrors({
  KERNEL_REFUSED: {
    message: (data: { operation: string; errno: number; errnoName: string; extendedAck?: string; offset?: number }) =>
      `${data.operation}: ${data.extendedAck ?? data.errnoName}${data.extendedAck === undefined ? '' : ` (${data.errnoName})`}`,
    cause: 'The kernel answered a netlink request with an error.',
    cure: 'The text is the kernel’s own. Missing privilege (EPERM), missing module (EOPNOTSUPP) and unreachable gateways (ENETUNREACH) are the usual ones.',
  },
  KERNEL_SOCKET: {
    message: (data: { operation: string; errnoName: string }) =>
      `netlink socket: ${data.operation} failed: ${data.errnoName}`,
    cause: 'A netlink socket could not be opened, sent to or read from.',
    cure: 'Check limits on open files and memory; the daemon opens a new socket by itself.',
  },
});
