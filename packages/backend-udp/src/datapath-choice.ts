import type { DataPathFeature, Finding } from '@tartan/core';
import type { Datapath } from './options';

/** Outer UDP checksums of super-packets cannot be had there, and IPv6 demands them (RFC 8200 section 8.1). */
export const NEEDS_IPV4_UNDERLAY = 'the kernel path needs an IPv4 network between the hosts';
/** docs/decisions/0006 has the figures. */
const AUTO_REASON = 'the kernel path was not measured to be faster on a wire';

/** `kernel` was asked for, and `reason` stands against it. */
export function fallbackFinding(reason: string): Finding {
  return {
    severity: 'warning',
    code: 'UDP_DATAPATH_FALLBACK',
    subject: 'Backend.Datapath',
    message: `packets are carried in user space: ${reason}`,
    cure: 'Nothing has to be done; set Datapath to "userspace" to say that it may be so, or remove what the message names.',
  };
}

/** What `status` says of it: nothing where nobody asked. `problem` is why a kernel path that was asked for is not there. */
export function kernelPathFeature(datapath: Datapath, problem: string | undefined): DataPathFeature[] {
  if (datapath === 'userspace') return [];
  const reason = datapath === 'auto' ? AUTO_REASON : problem;
  return [{ name: 'kernelPath', on: reason === undefined, ...(reason !== undefined && { reason }) }];
}
