import { addressLines, bareAddress, macOf } from './addressing';
import type { LabScope } from './lab-scope';
import { NetworkNamespace } from './network-namespace';

export interface SwitchOptions {
  readonly name: string;
  /** Own addresses, `address/length`: hosts use them as default gateway, and servers (etcd) may run here. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** Of the bridge; default 1500. Raise it before hosts with jumbo frames are plugged in. */
  readonly mtuBytes?: number;
}

const BRIDGE = 'br0';
/** IFNAMSIZ - 1, include/uapi/linux/if.h. */
const MAX_IFNAME = 15;

/** A layer 2 segment: a bridge in a namespace of its own. */
export class Switch extends NetworkNamespace {
  private readonly portNames = new Set<string>([BRIDGE, 'lo']);

  private constructor(
    scope: LabScope,
    private readonly options: SwitchOptions,
  ) {
    super(scope, options.name);
  }

  static async create(scope: LabScope, options: SwitchOptions): Promise<Switch> {
    const created = new Switch(scope, options);
    await NetworkNamespace.make(created.netns, { 'net.ipv6.conf.default.accept_dad': 0 });
    // No spanning tree: ports forward at once. Without snooping neighbour discovery needs no multicast querier.
    await created.ipBatch([
      `link add ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set ${BRIDGE} address ${macOf(`${created.netns}/${BRIDGE}`)} mtu ${options.mtuBytes ?? 1500} up`,
      ...addressLines(BRIDGE, [options.ipv4, options.ipv6]),
    ]);
    return created;
  }

  /** Own address without length. */
  get ipv4(): string | undefined {
    return this.options.ipv4 === undefined ? undefined : bareAddress(this.options.ipv4);
  }

  get ipv6(): string | undefined {
    return this.options.ipv6 === undefined ? undefined : bareAddress(this.options.ipv6);
  }

  /** The bridge, for captures of everything on the segment. */
  get bridge(): string {
    return BRIDGE;
  }

  /** A free port for a cable to `owner`. */
  reservePort(owner: string): string {
    let name = owner.slice(0, MAX_IFNAME);
    while (this.portNames.has(name)) name = `port${this.scope.next()}`;
    this.portNames.add(name);
    return name;
  }

  /** Plugs a cable in: the port here, `ifname` in the other namespace, down and without address, always with the same MAC. */
  async plugIn(port: string, netns: string, ifname: string, mtuBytes: number): Promise<void> {
    const mac = macOf(`${netns}/${ifname}`);
    await this.ipBatch([
      `link add ${port} mtu ${mtuBytes} type veth peer name ${ifname} address ${mac} mtu ${mtuBytes} netns ${netns}`,
      `link set ${port} master ${BRIDGE} up`,
    ]);
  }

  /** Takes a port out of the segment, link still up: frames are lost without anybody noticing. */
  async isolate(port: string): Promise<void> {
    await this.ip(`link set ${port} nomaster`);
  }

  async rejoin(port: string): Promise<void> {
    await this.ip(`link set ${port} master ${BRIDGE}`);
  }
}
