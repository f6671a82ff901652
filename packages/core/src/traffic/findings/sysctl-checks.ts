import type { Finding } from '../../reconcile';
import { sysctlCommand } from './cure';

/*
 * Kernel settings without which pod traffic does not get through. Each check names the setting, what is right, and what happens otherwise; with
 * --manage-sysctls what is wrong is set. Modules cannot be loaded that way, so a setting that does not exist stays a finding.
 */

export interface SysctlCheck {
  /** Below /proc/sys, with slashes. */
  readonly path: string;
  /** What it should be. */
  readonly value: string;
  readonly isRight: (current: string) => boolean;
  readonly severity: Finding['severity'];
  readonly code: string;
  readonly message: string;
  /** When the setting does not exist; without it that is no finding. */
  readonly missing?: { readonly message: string; readonly cure: string };
  /** To be written before it, with --manage-sysctls. */
  readonly before?: readonly { readonly path: string; readonly from: string; readonly to: string }[];
}

export interface SysctlScope {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** External ones, over which overlay traffic comes in. */
  readonly interfaces: readonly string[];
  /** The backend's own: no router advertises anything there. */
  readonly devices: readonly string[];
  /** Packets between pods and other hosts' own addresses keep the pod's address, so they come and go by different ways. */
  readonly asymmetric: boolean;
}

export function sysctlChecks({ ipv4, ipv6, interfaces, devices, asymmetric }: SysctlScope): SysctlCheck[] {
  return [
    ...(ipv4 ? [ipv4Forwarding, bridgeCall('iptables')] : []),
    ...(ipv4 ? [...interfaces, ...devices].map((ifname) => reversePath(ifname, asymmetric)) : []),
    ...(ipv6 ? [ipv6Forwarding(interfaces), bridgeCall('ip6tables')] : []),
  ];
}

const isOne = (current: string): boolean => current === '1';

const ipv4Forwarding: SysctlCheck = {
  path: 'net/ipv4/ip_forward',
  value: '1',
  isRight: isOne,
  severity: 'error',
  code: 'IP_FORWARD_OFF',
  message: 'the kernel forwards no IPv4 packets, so pods reach nothing beyond this host',
};

/** A host that forwards ignores router advertisements unless accept_ra is 2 (Documentation/networking/ip-sysctl.rst, v6.1): its default route would run out. */
function ipv6Forwarding(interfaces: readonly string[]): SysctlCheck {
  return {
    path: 'net/ipv6/conf/all/forwarding',
    value: '1',
    isRight: isOne,
    severity: 'error',
    code: 'IP_FORWARD_OFF',
    message:
      'the kernel forwards no IPv6 packets, so pods reach nothing beyond this host; where the default route comes from router ' +
      'advertisements, set accept_ra to 2 on that interface first',
    before: interfaces.map((ifname) => ({ path: `net/ipv6/conf/${ifname}/accept_ra`, from: '1', to: '2' })),
  };
}

function bridgeCall(tool: 'iptables' | 'ip6tables'): SysctlCheck {
  const path = `net/bridge/bridge-nf-call-${tool}`;
  const why = 'pods cannot reach a Kubernetes service whose endpoint is on this same host';
  return {
    path,
    value: '1',
    isRight: isOne,
    severity: 'info',
    code: 'BRIDGE_NF_CALL_OFF',
    message: `bridged packets do not pass ${tool}: ${why}`,
    missing: {
      message: `the module br_netfilter is not loaded: ${why}`,
      cure: `modprobe br_netfilter && echo br_netfilter > /etc/modules-load.d/90-tartan.conf && ${sysctlCommand(path, '1')}`,
    },
  };
}

/** The kernel takes the greater of the interface's value and that of `all`; 2 is the loose mode (ip-sysctl.rst, rp_filter). */
function reversePath(ifname: string, asymmetric: boolean): SysctlCheck {
  return {
    path: `net/ipv4/conf/${ifname}/rp_filter`,
    value: '2',
    isRight: (current) => current !== '1',
    severity: asymmetric ? 'warning' : 'info',
    code: 'RP_FILTER_STRICT',
    message: `strict reverse path filtering on ${ifname} drops packets of pods that come in by another way than answers go out`,
  };
}
