import { isTartanError } from '../errors';
import type { RtNetlink } from '../netlink';
import type { DesiredSysctl, Finding } from './kernel-state';
import type { FailedOp, OpOutcome, OpRecord } from './op-record';

export interface SysctlOutcome extends OpOutcome {
  readonly findings: readonly Finding[];
}

/**
 * Writes the kernel settings that differ. One that does not exist (module missing, interface not there yet) is a finding, and so is one in
 * a read-only /proc/sys, as an unprivileged container has it: trying again would be of no use.
 */
export async function applySysctls(
  netlink: RtNetlink,
  sysctls: readonly DesiredSysctl[],
  resting: (key: string) => boolean,
): Promise<SysctlOutcome> {
  const applied: OpRecord[] = [];
  const failed: FailedOp[] = [];
  const rested: string[] = [];
  const findings: Finding[] = [];
  for (const desired of sysctls) {
    const { path, value } = desired;
    const subject = `sysctl ${path}`;
    const record: OpRecord = { kind: 'sysctl', key: subject, subject, operation: 'sysctl-write' };
    try {
      const current = await netlink.readSysctl(path);
      if (current === undefined) findings.push(missing(path));
      else if (isRight(current, desired)) continue;
      else if (resting(subject)) rested.push(subject);
      else {
        await netlink.writeSysctl(path, value);
        applied.push(record);
      }
    } catch (error) {
      if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) throw error;
      if (isTartanError(error, 'KERNEL_REFUSED') && error.data.errnoName === 'EROFS') findings.push(readOnly(desired));
      else failed.push({ ...record, error });
    }
  }
  return { applied, failed, rested, findings };
}

function isRight(current: string, { value, atLeast = false }: DesiredSysctl): boolean {
  return current === value || (atLeast && Number(current) >= Number(value));
}

function readOnly({ path, value }: DesiredSysctl): Finding {
  return {
    severity: 'warning',
    code: 'SYSCTL_READ_ONLY',
    subject: `sysctl ${path}`,
    message: `/proc/sys is read-only here, so this kernel setting cannot be set to ${value}`,
    cure: `On the node, outside of the container: sysctl -w ${path}=${value}`,
  };
}

function missing(path: string): Finding {
  return {
    severity: 'warning',
    code: 'SYSCTL_MISSING',
    subject: `sysctl ${path}`,
    message: 'this kernel setting does not exist here',
    cure: 'Load the module or create the interface that it belongs to; it is written as soon as it exists.',
  };
}
