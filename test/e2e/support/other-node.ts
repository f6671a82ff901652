import type { EtcdCluster, Host } from '@tartan/lab';
import { PREFIX } from './cluster';
import { FLANNEL, type LabApiServer } from './kube';

/*
 * A node of another implementation: what flanneld does with a vxlan backend (flannel-compat 4.1), as plain `ip` and `bridge` commands
 * and writes to etcd or to its Node object. It shares not a line with ours, so agreement between both is agreement with the format.
 */

const TTL_SECONDS = 86_400;

export interface OtherNodeOptions {
  readonly host: Host;
  readonly leases: OtherLeases;
  /** Third number of its subnet, 10.5.N.0/24. */
  readonly n: number;
  readonly mac: string;
}

interface LeaseValue {
  readonly PublicIP: string;
  readonly BackendType: string;
  readonly BackendData: { readonly VNI: number; readonly VtepMAC: string };
}

/** A lease as flanneld reads it. */
interface FoundLease extends LeaseValue {
  /** `10.5.1.0/24` */
  readonly subnet: string;
}

/** Where such a node publishes its own lease and finds those of the others. */
export interface OtherLeases {
  write(subnet: string, value: LeaseValue): Promise<void>;
  remove(subnet: string): Promise<void>;
  /** All, its own among them. */
  read(): Promise<FoundLease[]>;
}

/** Keys and values byte for byte as flanneld writes them (flannel-compat 2). */
export function etcdLeases(etcd: EtcdCluster): OtherLeases {
  const keyOf = (subnet: string): string => `${PREFIX}/subnets/${subnet.replace('/', '-')}`;
  return {
    async write(subnet, { PublicIP, BackendType, BackendData }) {
      const value = { PublicIP, PublicIPv6: null, BackendType, BackendData };
      const granted = await etcd.etcdctl(['lease', 'grant', String(TTL_SECONDS)]);
      const lease = /lease ([0-9a-f]+) granted/.exec(granted)?.[1] ?? '';
      await etcd.etcdctl(['put', `--lease=${lease}`, keyOf(subnet), JSON.stringify(value)]);
    },
    async remove(subnet) {
      await etcd.etcdctl(['del', keyOf(subnet)]);
    },
    async read() {
      const dump = await etcd.etcdctl(['get', '--prefix', `${PREFIX}/subnets/`]);
      const lines = dump.split('\n').filter((line) => line !== '');
      const keys = lines.filter((_, place) => place % 2 === 0);
      return keys.map((key, place) => {
        const [, address = '', length = ''] = /subnets\/([\d.]+)-(\d+)$/.exec(key) ?? [];
        return { subnet: `${address}/${length}`, ...(JSON.parse(lines[2 * place + 1] as string) as LeaseValue) };
      });
    },
  };
}

/** The annotations of flannel-compat 3.2, on a Node that the cluster has given its podCIDR. */
export function nodeLeases(api: LabApiServer, name: string): OtherLeases {
  const annotate = async (annotations: Record<string, string | null>): Promise<void> => {
    const named = Object.entries(annotations).map(([key, value]) => [`${FLANNEL}/${key}`, value]);
    await api.order('patch', { name, patch: { metadata: { annotations: Object.fromEntries(named) as object } } });
  };
  return {
    write: (_subnet, { PublicIP, BackendType, BackendData }) =>
      annotate({
        'kube-subnet-manager': 'true',
        'backend-type': BackendType,
        'backend-data': JSON.stringify(BackendData),
        'public-ip': PublicIP,
      }),
    remove: () => api.order('delete', { name }).then(() => undefined),
    async read() {
      const nodes = await api.nodes();
      return nodes.flatMap(({ metadata: { annotations }, spec: { podCIDR = '' } }) => {
        const text = (annotation: string): string => annotations[`${FLANNEL}/${annotation}`] ?? '';
        if (text('kube-subnet-manager') !== 'true') return [];
        const BackendData = JSON.parse(text('backend-data')) as LeaseValue['BackendData'];
        return [{ subnet: podCIDR, PublicIP: text('public-ip'), BackendType: text('backend-type'), BackendData }];
      });
    },
  };
}

export class OtherNode {
  private mac: string;

  constructor(private readonly options: OtherNodeOptions) {
    this.mac = options.mac;
  }

  /** `10.5.N.0/24` */
  get subnet(): string {
    return `10.5.${this.options.n}.0/24`;
  }

  /** Device, lease, address, up: in this order, as flanneld does. */
  async start(): Promise<void> {
    const { host } = this.options;
    await host.ip(
      `link add flannel.1 address ${this.mac} mtu 1450 txqueuelen 0 type vxlan id 1 dev eth0 local ${host.ipv4} dstport 8472 nolearning`,
    );
    await this.publish();
    await host.ip(`address add ${this.subnet.replace('/24', '/32')} dev flannel.1`);
    await host.ip('link set flannel.1 up');
  }

  /** Writes its lease as flanneld does; again after a change. */
  async publish(change: Partial<LeaseValue> = {}): Promise<void> {
    const { leases, host } = this.options;
    const BackendData = { VNI: 1, VtepMAC: this.mac };
    await leases.write(this.subnet, { PublicIP: host.ipv4, BackendType: 'vxlan', BackendData, ...change });
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
    await this.options.leases.remove(this.subnet);
  }

  /** Programs every peer: neighbour, FDB entry, and the route last. */
  async programPeers(): Promise<void> {
    const { leases, host } = this.options;
    for (const { subnet, BackendType, BackendData, PublicIP } of await leases.read()) {
      if (subnet === this.subnet || BackendType !== 'vxlan') continue;
      const [vtep = ''] = subnet.split('/');
      const { VtepMAC } = BackendData;
      await host.ip(`neigh replace ${vtep} lladdr ${VtepMAC} dev flannel.1 nud permanent`);
      const entry = [VtepMAC, 'dev', 'flannel.1', 'dst', PublicIP, 'self', 'permanent'];
      await host.run(['bridge', 'fdb', 'replace', ...entry]);
      await host.ip(`route replace ${subnet} via ${vtep} dev flannel.1 onlink`);
    }
  }
}
