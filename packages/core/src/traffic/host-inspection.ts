import { isTartanError } from '../errors';
import type { IpFamily, IpPrefix } from '../ip';
import type { Finding } from '../reconcile';
import type { Logger } from '../runtime';
import type { TrafficMode } from './choose-mode';
import { surveyForwardChains } from './findings/forward-chains';
import { inspectIptablesForward } from './findings/iptables-forward';
import { inspectSysctls, type SysctlAccess } from './findings/inspect-sysctls';
import type { DesiredTraffic, TrafficPolicy } from './traffic-manager';
import type { TrafficTools } from './traffic-tools';

export interface HostInspection {
  readonly mode: TrafficMode | null;
  readonly tools: TrafficTools;
  readonly desired: DesiredTraffic;
  readonly policy: TrafficPolicy;
  readonly sysctls: SysctlAccess;
  readonly manageSysctls: boolean;
  readonly logger: Logger;
}

/** What on this host is in the way of pod traffic although our rules are right. Rejects only when aborted. */
export async function inspectHost(inspection: HostInspection, signal?: AbortSignal): Promise<Finding[]> {
  const parts = await Promise.allSettled([
    kernelSettings(inspection),
    nftChains(inspection, signal),
    iptablesChains(inspection, signal),
  ]);
  return parts.flatMap((part) => {
    if (part.status === 'fulfilled') return part.value;
    if (signal?.aborted || !isTartanError(part.reason)) throw part.reason;
    return [];
  });
}

function kernelSettings({ desired, policy, sysctls, manageSysctls, logger }: HostInspection): Promise<Finding[]> {
  const { ipv4, ipv6, interfaces, devices } = desired;
  return inspectSysctls({
    access: sysctls,
    manage: manageSysctls,
    logger,
    scope: {
      ipv4: ipv4 !== null,
      ipv6: ipv6 !== null,
      interfaces,
      devices,
      asymmetric: policy.masquerade && !policy.masqueradeNodeTraffic,
    },
  });
}

async function nftChains({ tools, desired }: HostInspection, signal?: AbortSignal): Promise<Finding[]> {
  const { tool, detection } = tools.nft;
  if (!detection.usable && !detection.listable) return [];
  // What iptables of that flavour keeps in nftables is looked at, and cured, in its own words.
  const iptablesHandles = tools.iptables.some(({ variant }) => variant.flavour === 'nf_tables');
  return surveyForwardChains({ tool, networks: networksOf(desired), iptablesHandles }, signal);
}

/** Only where no rules of ours may be written; otherwise they have been. */
async function iptablesChains(
  { mode, tools, desired, policy }: HostInspection,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  if (policy.forward && mode !== 'none') return [];
  const findings: Finding[] = [];
  for (const { tool, rules, guard } of tools.iptables) {
    for (const network of networksOf(desired)) {
      const state = lastForward([rules, guard], network.family);
      const finding = state && (await inspectIptablesForward({ tool, state, network }, signal));
      if (finding) findings.push(finding);
    }
  }
  return findings;
}

function lastForward(drivers: readonly TrafficTools['iptables'][number]['rules'][], family: IpFamily) {
  return drivers.map((driver) => driver.lastState(family)?.forward).find((state) => state !== undefined);
}

export function networksOf({ ipv4, ipv6 }: DesiredTraffic): IpPrefix[] {
  return [ipv4?.network, ipv6?.network].flatMap((network) => network ?? []);
}
