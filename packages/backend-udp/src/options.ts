import {
  booleanMember,
  choiceMember,
  integerMember,
  optionFindings,
  readBackendOptions,
  readUnderlayMtu,
  underlayMtuMember,
  type BackendSchema,
  type Finding,
  type IpFamily,
  type NetworkConfig,
} from '@tartan/core';
import { fallbackFinding, NEEDS_IPV4_UNDERLAY } from './datapath-choice';
import { udpOverheadBytes } from './mtu';
import type { PacketLoopOffloads } from './packet-loop';

/** flannel's (flannel-compat 4.4). */
export const DEFAULT_PORT = 8285;
/** A mapping of a NAT that knows nothing of UDP lives 30 s at least (RFC 4787 section 4.3 asks for 2 minutes; few keep to it). */
export const USUAL_KEEPALIVE_SECONDS = 25;
/** MAX_TAP_QUEUES is 256 (drivers/net/tun.c, v6.1); beyond the CPUs of a large host queues gain nothing. */
const MAX_QUEUES = 64;

/** Members of `Backend` that this backend reads: `Port` as flannel spells it (flannel-compat 4.4), and ours. */
export const udpSchema = {
  Port: integerMember({
    default: DEFAULT_PORT,
    min: 1,
    max: 65535,
    help: 'UDP port of the tunnel, the same on all nodes: leases do not tell it.',
  }),
  MTU: underlayMtuMember,
  Keepalive: integerMember({
    default: 0,
    min: 0,
    max: 3600,
    unit: 'seconds',
    help: `Seconds between keep-alives to peers, whose real source address is then learned; for hosts behind NAT, ${USUAL_KEEPALIVE_SECONDS} is usual. 0 is off.`,
  }),
  Datapath: choiceMember({
    default: 'userspace',
    choices: ['userspace', 'auto', 'kernel'],
    help: 'Who encapsulates: the packet loop, or the kernel (eBPF) towards peers that do so too. "auto" is "userspace" in this version.',
  }),
  Queues: integerMember({
    default: 1,
    min: 1,
    max: MAX_QUEUES,
    help: 'Pairs of threads, each with a queue of the TUN device.',
  }),
  TunTSO: booleanMember({ default: true, help: 'TCP super-packets out of the TUN device.' }),
  TunUSO: booleanMember({ default: true, help: 'UDP super-packets out of the TUN device (Linux 6.2).' }),
  UDPSegment: booleanMember({ default: true, help: 'Many datagrams in one system call when sending (UDP_SEGMENT).' }),
  UDPGRO: booleanMember({ default: true, help: 'Many datagrams in one system call when receiving (UDP_GRO).' }),
  Coalesce: booleanMember({
    default: true,
    help: 'Received packets of one flow are joined before they go to the kernel. Needs TunTSO.',
  }),
} satisfies BackendSchema;

export type Datapath = 'userspace' | 'auto' | 'kernel';

export interface UdpOptions {
  readonly port: number;
  /** MTU between the hosts as the operator states it; null where the interface's counts. */
  readonly underlayMtuBytes: number | null;
  /** 0: off. */
  readonly keepaliveSeconds: number;
  readonly datapath: Datapath;
  readonly queues: number;
  readonly offloads: Required<PacketLoopOffloads>;
}

/** The backend's options from the network config. Throws CONFIG_INVALID. */
export function readUdpOptions(config: NetworkConfig): {
  readonly options: UdpOptions;
  readonly findings: readonly Finding[];
} {
  const { options: values, warnings } = readBackendOptions(config.backend, udpSchema, { strict: config.strict });
  const options: UdpOptions = {
    port: values.Port,
    underlayMtuBytes: readUnderlayMtu(values.MTU, udpOverheadBytes(underlayFamily(config))),
    keepaliveSeconds: values.Keepalive,
    datapath: values.Datapath,
    queues: values.Queues,
    offloads: {
      tunTso: values.TunTSO,
      tunUso: values.TunUSO,
      udpSegment: values.UDPSegment,
      udpGro: values.UDPGRO,
      coalesce: values.Coalesce,
    },
  };
  return { options, findings: [...optionFindings(warnings), ...datapathFindings(config, options)] };
}

/** The family of the network between the hosts, see tunnel.ts. */
export function underlayFamily({ ipv4 }: Pick<NetworkConfig, 'ipv4'>): IpFamily {
  return ipv4 ? 4 : 6;
}

/** What the config alone can tell; whether this host can is seen in prepare(). */
function datapathFindings(config: NetworkConfig, { datapath }: UdpOptions): Finding[] {
  return datapath === 'kernel' && underlayFamily(config) === 6 ? [fallbackFinding(NEEDS_IPV4_UNDERLAY)] : [];
}
