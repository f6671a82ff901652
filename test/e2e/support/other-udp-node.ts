import { startPlainUdpPeer, type EtcdCluster, type Host, type LabProcess } from '@tartan/lab';
import { PREFIX } from './cluster';

/*
 * A node of another implementation: what flanneld does with its udp backend (flannel-compat 4.4), as the lab's plain peer in C and writes
 * to etcd. One packet per system call, no offloads, TTL taken off on both sides, no check of who sends. It shares not a line with
 * ours, so agreement between both is agreement with the format.
 */

export interface OtherUdpNodeOptions {
  readonly host: Host;
  readonly etcd: EtcdCluster;
  /** Third number of its subnet, 10.5.N.0/24. */
  readonly n: number;
}

export class OtherUdpNode {
  private process: LabProcess | undefined;

  constructor(private readonly options: OtherUdpNodeOptions) {}

  get subnet(): string {
    return `10.5.${this.options.n}.0`;
  }

  get key(): string {
    return `${PREFIX}/subnets/${this.subnet}-24`;
  }

  /** Lease, loop, address, MTU, up, route to the whole overlay: in this order, as flanneld does. It learns its peers here and only here. */
  async start(): Promise<void> {
    await this.publish();
    const routes = (await this.peers()).map(({ subnet, publicIP }) => ({ prefix: subnet, nextHop: publicIP }));
    this.process = await startPlainUdpPeer({
      host: this.options.host,
      subnet: `${this.subnet}/24`,
      network: '10.5.0.0/16',
      mtuBytes: 1472,
      routes,
    });
  }

  /** The value that flanneld writes: no type, no data (flannel-compat 2.3). */
  async publish(): Promise<void> {
    const { etcd, host } = this.options;
    await etcd.put(this.key, JSON.stringify({ PublicIP: host.ipv4, PublicIPv6: null }));
  }

  async stop(): Promise<void> {
    await this.process?.kill();
  }

  private async peers(): Promise<{ subnet: string; publicIP: string }[]> {
    const dump = await this.options.etcd.etcdctl(['get', '--prefix', `${PREFIX}/subnets/`]);
    const lines = dump.split('\n').filter((line) => line !== '');
    const pairs = lines.flatMap((key, index) => (index % 2 === 0 ? [[key, lines[index + 1] as string] as const] : []));
    return pairs
      .filter(([key]) => key !== this.key)
      .map(([key, value]) => {
        const [, address = '', length = ''] = /subnets\/([\d.]+)-(\d+)/.exec(key) ?? [];
        return { subnet: `${address}/${length}`, publicIP: (JSON.parse(value) as { PublicIP: string }).PublicIP };
      });
  }
}
