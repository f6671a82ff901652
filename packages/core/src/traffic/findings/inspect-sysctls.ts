import { isTartanError } from '../../errors';
import type { RtNetlink } from '../../netlink';
import type { Finding } from '../../reconcile';
import type { Logger } from '../../runtime';
import { sysctlCommand, sysctlName } from './cure';
import { sysctlChecks, type SysctlCheck, type SysctlScope } from './sysctl-checks';

export type SysctlAccess = Pick<RtNetlink, 'readSysctl' | 'writeSysctl'>;

export interface SysctlInspection {
  readonly access: SysctlAccess;
  readonly scope: SysctlScope;
  /** --manage-sysctls */
  readonly manage: boolean;
  readonly logger: Logger;
}

/** Findings about settings that are wrong; with `manage` they are set instead, and only what could not be set remains. */
export async function inspectSysctls(inspection: SysctlInspection): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of sysctlChecks(inspection.scope)) {
    const current = await read(inspection.access, check.path);
    if (current === undefined) {
      if (check.missing) findings.push(finding(check, check.missing));
    } else if (!check.isRight(await effective(inspection.access, check.path, current))) {
      if (!(inspection.manage && (await set(inspection, check, current)))) findings.push(finding(check, plain(check)));
    }
  }
  return findings;
}

/** rp_filter of an interface is the greater of its own and that of `all`. */
async function effective(access: SysctlAccess, path: string, current: string): Promise<string> {
  if (!path.endsWith('/rp_filter')) return current;
  const all = await read(access, 'net/ipv4/conf/all/rp_filter');
  return String(Math.max(Number(current), Number(all ?? 0)));
}

function read(access: SysctlAccess, path: string): Promise<string | undefined> {
  return access.readSysctl(path).catch(() => undefined);
}

async function set({ access, logger }: SysctlInspection, check: SysctlCheck, from: string): Promise<boolean> {
  const { path, value, before = [] } = check;
  try {
    for (const step of before) {
      if ((await read(access, step.path)) === step.from) await access.writeSysctl(step.path, step.to);
    }
    await access.writeSysctl(path, value);
    logger.info('kernel setting changed', { key: path, from, to: value });
    return true;
  } catch (error) {
    if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) throw error;
    logger.debug('kernel setting cannot be changed', { key: path, error });
    return false;
  }
}

function plain({ message, path, value }: SysctlCheck): { message: string; cure: string } {
  return { message, cure: `${sysctlCommand(path, value)} (or start with --manage-sysctls)` };
}

function finding({ severity, code, path }: SysctlCheck, text: { message: string; cure: string }): Finding {
  return { severity, code, subject: `sysctl ${sysctlName(path)}`, message: text.message, cure: text.cure };
}
