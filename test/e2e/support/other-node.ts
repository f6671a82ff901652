import type { EtcdCluster, Host } from '@tartan/lab';
import { PREFIX } from './cluster';

/*
 * A node of another implementation: what flanneld does with a vxlan backend (flannel-compat 4.1), as plain `ip` and `bridge` commands
 * and writes to etcd. It shares not a line with ours, so agreement between both is agreement with the format.
 */

const TTL_SECONDS = 86_400;

export interface OtherNodeOptions {
  readonly host: Host;
  readonly etcd: EtcdCluster;
  /** Third number of its subnet, 10.5.N.0/24. */
  readonly n: number;
  readonly mac: string;
}

interface LeaseValue {
  readonly PublicIP: string;
  readonly BackendType: string;
  readonly BackendData: { readonly VNI: number; readonly VtepMAC: string };
}

export class OtherNode {
  private mac: string;

  constructor(private readonly options: OtherNodeOptions) {
    this.mac = options.mac;
  }

  get subnet(): string {
    return `10.5.${this.options.n}.0`;
  }

  get key(): string {
    return `${PREFIX}/subnets/${this.subnet}-24`;
  }

  /** Device, lease, address, up: in this order, as flanneld does. */
  async start(): Promise<void> {
    const { host } = this.options;
    await host.ip(
      `link add flannel.1 address ${this.mac} mtu 1450 txqueuelen 0 type vxlan id 1 dev eth0 local ${host.ipv4} dstport 8472 nolearning`,
    );
    await this.publish();
    await host.ip(`address add ${this.subnet}/32 dev flannel.1`);
    await host.ip('link set flannel.1 up');
  }

  /** Writes its lease with a TTL, byte for byte as flanneld does; again after a change. */
  async publish(change: Partial<LeaseValue> = {}): Promise<void> {
    const { etcd, host } = this.options;
    const value = {
      PublicIP: host.ipv4,
      PublicIPv6: null,
      BackendType: 'vxlan',
      BackendData: { VNI: 1, VtepMAC: this.mac },
      ...change,
    };
    const granted = await etcd.etcdctl(['lease', 'grant', String(TTL_SECONDS)]);
    const lease = /lease ([0-9a-f]+) granted/.exec(granted)?.[1] ?? '';
    await etcd.etcdctl(['put', `--lease=${lease}`, this.key, JSON.stringify(value)]);
  }

  /** What a reboot does to flanneld without Kubernetes: another random MAC on a new device, published again. */
  async changeMac(mac: string): Promise<void> {
    this.mac = mac;
    await this.options.host.ip(`link set flannel.1 address ${mac}`);
    await this.publish();
    // The kernel drops a device's neighbours, permanent ones as well, when its MAC changes (neigh_changeaddr, v6.1).
    await this.programPeers();
  }

  async leave(): Promise<void> {
    await this.options.etcd.etcdctl(['del', this.key]);
  }

  /** Programs every peer: neighbour, FDB entry, and the route last. */
  async programPeers(): Promise<void> {
    const { etcd, host } = this.options;
    const dump = await etcd.etcdctl(['get', '--prefix', `${PREFIX}/subnets/`]);
    const lines = dump.split('\n').filter((line) => line !== '');
    for (let place = 0; place + 1 < lines.length; place += 2) {
      const [key, value] = [lines[place] as string, JSON.parse(lines[place + 1] as string) as LeaseValue];
      if (key === this.key || value.BackendType !== 'vxlan') continue;
      const [, subnet = '', length = ''] = /subnets\/([\d.]+)-(\d+)$/.exec(key) ?? [];
      const { VtepMAC } = value.BackendData;
      await host.ip(`neigh replace ${subnet} lladdr ${VtepMAC} dev flannel.1 nud permanent`);
      await host.run([
        'bridge',
        'fdb',
        'replace',
        VtepMAC,
        'dev',
        'flannel.1',
        'dst',
        value.PublicIP,
        'self',
        'permanent',
      ]);
      await host.ip(`route replace ${subnet}/${length} via ${subnet} dev flannel.1 onlink`);
    }
  }
}
