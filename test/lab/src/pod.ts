import { Ipv4Prefix, Ipv6Prefix } from '@tartan/core';
import { addressLines, bareAddress, macOf, nthAddress } from './addressing';
import { LabError } from './lab-error';
import type { LabScope } from './lab-scope';
import { NetworkNamespace } from './network-namespace';
import { readSubnetFile } from './subnet-env';

/** The subnet of a node, as the container runtime gets it: the bridge's address with the subnet's length, and the pods' MTU. */
export interface PodSubnet {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly mtuBytes: number;
}

export interface PodOptions {
  /** Default `<host>-pod<n>`. */
  readonly name?: string;
  /** Default: what the host's subnet file says now. */
  readonly subnet?: PodSubnet;
  /** Another subnet file on the host, for a second daemon. */
  readonly subnetFile?: string;
  /** Default `cni0`. Made when missing. */
  readonly bridge?: string;
}

/** What a pod needs to know of its host; Host is such. */
export interface PodHost {
  readonly name: string;
  readonly subnetFile: string;
  readonly netns: string;
  readonly pods: readonly Pod[];
  ip(...argv: string[]): Promise<string>;
  ipBatch(lines: readonly string[]): Promise<void>;
  run: NetworkNamespace['run'];
  sysctl: NetworkNamespace['sysctl'];
}

interface PodFacts {
  readonly subnet: PodSubnet;
  readonly bridge: string;
  readonly hostIfname: string;
  readonly addresses: readonly string[];
}

/** A container: a network namespace with eth0 on the host's bridge. */
export class Pod extends NetworkNamespace {
  constructor(
    scope: LabScope,
    name: string,
    readonly host: PodHost,
    private readonly facts: PodFacts,
  ) {
    super(scope, name);
  }

  /** Without length; throws when the subnet has no IPv4. */
  get ipv4(): string {
    return this.address(4);
  }

  get ipv6(): string {
    return this.address(6);
  }

  /** All addresses without length, IPv4 first. */
  get addresses(): readonly string[] {
    return this.facts.addresses.map(bareAddress);
  }

  get mtuBytes(): number {
    return this.facts.subnet.mtuBytes;
  }

  get bridge(): string {
    return this.facts.bridge;
  }

  /** The host's end of the cable. */
  get hostIfname(): string {
    return this.facts.hostIfname;
  }

  private address(family: 4 | 6): string {
    const found = this.addresses.find((address) => address.includes(':') === (family === 6));
    if (found === undefined) throw new LabError(`${this.name} has no IPv${family} address`);
    return found;
  }

  /** Makes the namespace and wires it up. */
  async build(): Promise<void> {
    const { subnet, bridge, hostIfname, addresses } = this.facts;
    await NetworkNamespace.make(this.netns, { 'net.ipv6.conf.default.accept_dad': 0 });
    await ensureBridge(this.host, bridge, subnet);
    const mtu = `mtu ${subnet.mtuBytes}`;
    await this.host.ipBatch([
      `link add ${hostIfname} ${mtu} type veth peer name eth0 ${mtu} netns ${this.netns}`,
      `link set ${hostIfname} master ${bridge} up`,
    ]);
    const gateways = [subnet.ipv4, subnet.ipv6].filter((gateway) => gateway !== undefined).map(bareAddress);
    await this.ipBatch([
      'link set eth0 up',
      ...addressLines('eth0', addresses),
      ...gateways.map((gateway) => `route add default via ${gateway}`),
    ]);
  }
}

/** The next free address of the node's subnet, behind the bridge's own. */
export async function createPod(scope: LabScope, host: PodHost, options: PodOptions): Promise<Pod> {
  const { bridge = 'cni0' } = options;
  const subnet = options.subnet ?? (await subnetOf(options.subnetFile ?? host.subnetFile));
  const index = 2 + host.pods.filter((pod) => pod.bridge === bridge).length;
  const addresses = [
    subnet.ipv4 === undefined ? [] : nthAddress(Ipv4Prefix.parse(subnet.ipv4).toString(), index),
    subnet.ipv6 === undefined ? [] : nthAddress(Ipv6Prefix.parse(subnet.ipv6).toString(), index),
  ].flat();
  const name = options.name ?? `${host.name}-pod${host.pods.length + 1}`;
  const pod = new Pod(scope, name, host, { subnet, bridge, hostIfname: `pod${host.pods.length + 1}`, addresses });
  await pod.build();
  return pod;
}

async function subnetOf(path: string): Promise<PodSubnet> {
  const { subnet, ipv6Subnet, mtuBytes } = await readSubnetFile(path);
  return { ipv4: subnet, ipv6: ipv6Subnet, mtuBytes };
}

async function ensureBridge(host: PodHost, bridge: string, subnet: PodSubnet): Promise<void> {
  const { exitCode } = await host.run(['ip', 'link', 'show', bridge], { allowFailure: true });
  if (exitCode === 0) return;
  await host.ipBatch([
    `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${bridge} address ${macOf(`${host.netns}/${bridge}`)} mtu ${subnet.mtuBytes} up`,
    ...addressLines(bridge, [subnet.ipv4, subnet.ipv6]),
  ]);
}
