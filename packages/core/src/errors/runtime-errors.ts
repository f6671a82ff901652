import { defineErrors } from './define-errors';

export const runtimeErrors = defineErrors({
  FILE_WRITE_FAILED: {
    message: (data: { path: string; operation: string; errnoName: string }) =>
      `cannot write ${data.path}: ${data.operation} failed with ${data.errnoName}`,
    cause: 'The file could not be put in place. What was there before is unchanged.',
    cure: 'EACCES and EROFS: let the service write to that directory (ReadWritePaths= of the unit). ENOSPC: make room. ENOTDIR: a part of the path is a file.',
  },
  HEALTH_BIND_FAILED: {
    message: (data: { host: string; port: number; errnoName: string }) =>
      `cannot listen for health checks on ${data.host.includes(':') ? `[${data.host}]` : data.host}:${data.port}: ${data.errnoName}`,
    cause: 'The address of the health endpoints cannot be bound.',
    cure: 'EADDRINUSE: another process has the port, choose another --healthz-port. EADDRNOTAVAIL: --healthz-ip is no address of this host. EACCES: ports below 1024 need CAP_NET_BIND_SERVICE.',
  },
  NOTIFY_FAILED: {
    message: (data: { target: string; reason: string }) =>
      `the service manager could not be told at ${data.target}: ${data.reason}`,
    cause: 'NOTIFY_SOCKET is set, but no datagram could be sent to it.',
    cure: 'Start the daemon from a unit with Type=notify. Where systemd-notify is the sender, it must be installed and the unit needs NotifyAccess=all.',
  },
});
