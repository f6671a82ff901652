import {
  booleanMember,
  choiceMember,
  enabledFamilies,
  integerMember,
  optionFindings,
  readBackendOptions,
  readUnderlayMtu,
  TartanError,
  underlayMtuMember,
  type BackendSchema,
  type Finding,
  type NetworkConfig,
} from '@tartan/core';
import { deviceName, MAX_DEVICE_NAME_LENGTH } from './device-name';
import { vxlanOverheadBytes } from './mtu';

/** What the kernel listens on unless told: `udp_port` of drivers/net/vxlan/vxlan_core.c (v6.1), older than IANA's 4789. */
export const DEFAULT_PORT = 8472;
/** RFC 7348 section 5: the VNI has 24 bits. */
const MAX_VNI = 2 ** 24 - 1;
/** flannel up to v0.20 keeps the VNI of a peer in 16 bits (flannel-compat 0.5). */
const MAX_OLD_VNI = 2 ** 16 - 1;

/** Members of `Backend` that this backend reads, as flannel spells them (flannel-compat 4.1), and ours. */
export const vxlanSchema = {
  VNI: integerMember({
    default: 1,
    min: 1,
    max: MAX_VNI,
    help: 'VXLAN network identifier, the same on all nodes. It is part of the device name, so it is at most 9999 with IPv6.',
  }),
  Port: integerMember({
    default: 0,
    min: 0,
    max: 65535,
    help: `UDP port of the tunnel, the same on all nodes. 0 is the kernel's default, ${DEFAULT_PORT}.`,
  }),
  GBP: booleanMember({
    default: false,
    help: 'Group-based policy: carries packet marks through the tunnel. The same on all nodes.',
  }),
  Learning: booleanMember({
    default: false,
    help: 'Lets the device learn addresses from received packets. Not needed: every address is known from the leases.',
  }),
  DirectRouting: booleanMember({
    default: false,
    help: 'Routes to peers on the same segment without the tunnel, as long as the kernel proves that they are.',
  }),
  MTU: underlayMtuMember,
  TxChecksumOffload: choiceMember({
    default: 'auto',
    choices: ['auto', 'on', 'off'],
    help: 'Transmit checksum offload of the device. "off" cures network cards that corrupt tunnelled packets; "auto" starts with the kernel’s choice.',
  }),
} satisfies BackendSchema;

export type TxChecksumOffload = 'auto' | 'on' | 'off';

export interface VxlanOptions {
  readonly vni: number;
  /** UDP destination port; never 0. */
  readonly port: number;
  readonly gbp: boolean;
  readonly learning: boolean;
  readonly directRouting: boolean;
  /** MTU between the hosts as the operator states it; null where the interface's counts. */
  readonly underlayMtuBytes: number | null;
  readonly txChecksumOffload: TxChecksumOffload;
}

/** The backend's options from the network config. Throws CONFIG_INVALID. */
export function readVxlanOptions(config: NetworkConfig): {
  readonly options: VxlanOptions;
  readonly findings: readonly Finding[];
} {
  const { options: values, warnings } = readBackendOptions(config.backend, vxlanSchema, { strict: config.strict });
  checkDeviceName(config, values.VNI);
  const options: VxlanOptions = {
    vni: values.VNI,
    port: values.Port === 0 ? DEFAULT_PORT : values.Port,
    gbp: values.GBP,
    learning: values.Learning,
    directRouting: values.DirectRouting,
    underlayMtuBytes: readUnderlayMtu(values.MTU, vxlanOverheadBytes(4)),
    txChecksumOffload: values.TxChecksumOffload,
  };
  return { options, findings: [...optionFindings(warnings), ...wideVniFinding(options.vni)] };
}

function checkDeviceName(config: NetworkConfig, vni: number): void {
  for (const family of enabledFamilies(config)) {
    const name = deviceName(vni, family);
    if (name.length <= MAX_DEVICE_NAME_LENGTH) continue;
    const digits = MAX_DEVICE_NAME_LENGTH - (name.length - String(vni).length);
    throw new TartanError('CONFIG_INVALID', {
      key: 'Backend.VNI',
      value: String(vni),
      expected: `at most ${10 ** digits - 1}${family === 6 ? ' with IPv6' : ''}: the device would be called ${name}, and Linux allows ${MAX_DEVICE_NAME_LENGTH} characters`,
    });
  }
}

function wideVniFinding(vni: number): Finding[] {
  if (vni <= MAX_OLD_VNI) return [];
  return [
    {
      severity: 'warning',
      code: 'VXLAN_VNI_ABOVE_16_BITS',
      subject: 'Backend.VNI',
      message: `nodes with flannel v0.20 or older cannot read a VNI above ${MAX_OLD_VNI}; they ignore this node`,
      cure: `Use a VNI up to ${MAX_OLD_VNI} as long as such nodes exist.`,
    },
  ];
}
