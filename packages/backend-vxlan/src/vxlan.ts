import {
  BACKEND_CONTRACT_VERSION,
  mtuClampedFindings,
  TartanError,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Finding,
  type IpAddress,
  type Lease,
  type MacAddress,
} from '@tartan/core';
import { foundOffFindings } from './checksum-offload';
import { isOwnDevice } from './device-name';
import { ensureDevice } from './ensure-device';
import { readVxlanOptions, type VxlanOptions } from './options';
import { planVxlan, type SettledVtep } from './plan';
import { readNeighbourLimits } from './preflight/neighbour-table';
import { HostLook } from './preflight/host-look';
import { describeVteps, type Vtep } from './vtep';
import { encodeVtepData } from './vtep-data';

/*
 * VXLAN (RFC 7348): pod packets travel between hosts inside UDP, so the network in between needs to know nothing of pods. One
 * device per family, `flannel.<VNI>` and `flannel-v6.<VNI>`, is the end of the tunnels to all peers; nothing is flooded and
 * nothing learned, since the leases say everything. A packet to a pod on a peer
 *
 *     route       10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink      → next hop
 *     neighbour   10.5.2.0 lladdr 0a:…:01                            → MAC of the peer's device
 *     FDB         0a:…:01 dst 192.0.2.7                              → host to send it to
 *
 * These are flannel's objects, bit for bit (flannel-compat 4.1), so nodes of both kinds form one cluster and one can take over
 * from the other on a running host. What flannel lacks is repair: here the objects are a plan, which the reconciler keeps in force
 * whatever happens to the device, to single entries, or to the uplink (flannel-compat V1 to V8).
 *
 * The parts: options.ts; vtep.ts (our end: names, addresses, MTU); ensure-device.ts (a device and its MAC before the lease);
 * peer.ts and separate-peers.ts (whom can we talk to?); checksum-offload.ts (network cards that damage packets); plan.ts (leases in,
 * kernel objects out, pure); preflight/ (what will go wrong on this host).
 */

export const backend: BackendModule = {
  type: 'vxlan',
  contractVersion: BACKEND_CONTRACT_VERSION,
  capabilities: {
    ipv4: true,
    ipv6: true,
    needsSameL2: false,
    needsOwnPublicIP: false,
    hitlessRestart: true,
    underlayFacts: true,
  },
  create: (context) => new VxlanBackend(context),
  checkConfig: (config) => readVxlanOptions(config).findings.map(({ message }) => message),
  isOwnDevice,
};

/** What prepare() settles and start() needs. */
interface Prepared {
  readonly options: VxlanOptions;
  readonly vteps: readonly (Vtep & { readonly mac: MacAddress })[];
  readonly hostHasIpv6: boolean;
  readonly findings: readonly Finding[];
}

class VxlanBackend implements Backend {
  private prepared: Prepared | undefined;

  constructor(private readonly context: BackendContext) {}

  async prepare(signal: AbortSignal): Promise<BackendPublication> {
    const { config, externalInterface, identity, netlink } = this.context;
    const { options, findings } = readVxlanOptions(config);
    const hostHasIpv6 = (await netlink.readSysctl('net/ipv6/conf/all/disable_ipv6')) !== undefined;
    const vteps: Prepared['vteps'][number][] = [];
    for (const vtep of describeVteps({ config, options, externalInterface })) {
      signal.throwIfAborted();
      vteps.push({ ...vtep, mac: await ensureDevice({ netlink, vtep, options, identity, hostHasIpv6 }) });
    }
    const mtuFindings = mtuClampedFindings({
      code: 'VXLAN_MTU_CLAMPED',
      underlayMtuBytes: options.underlayMtuBytes,
      external: externalInterface,
    });
    this.prepared = {
      options,
      vteps,
      hostHasIpv6,
      findings: [...findings, ...mtuFindings],
    };
    return publication(this.prepared);
  }

  async start(lease: Lease, signal: AbortSignal): Promise<BackendNetwork> {
    if (!this.prepared) throw new Error('start() was called before prepare()');
    const { options, hostHasIpv6, findings } = this.prepared;
    const vteps = this.prepared.vteps.map((vtep): SettledVtep => ({ ...vtep, address: networkAddress(lease, vtep) }));
    const { netlink } = this.context;
    const foundOff = options.txChecksumOffload === 'auto' ? await foundOffFindings(netlink, vteps) : [];
    const limits = await Promise.all(vteps.map(({ family }) => readNeighbourLimits(netlink, family)));
    signal.throwIfAborted();
    const context = {
      options,
      vteps,
      lease,
      hostHasIpv6,
      neighbourLimits: limits.filter((limit) => limit !== undefined),
      findings: [...findings, ...foundOff],
    };
    const look = new HostLook({ ...this.context, options, vteps, lease });
    return {
      mtuBytes: Math.min(...vteps.map(({ mtuBytes }) => mtuBytes)),
      underlayInterest: options.directRouting ? 'neighbours' : 'none',
      plan: (input) => planVxlan(context, input),
      inspect: (snapshot, inner) => look.inspect(snapshot, inner),
      close: () => Promise.resolve(),
    };
  }
}

function publication({ options: { vni }, vteps }: Prepared): BackendPublication {
  const data = (family: 4 | 6): ReturnType<typeof encodeVtepData> | undefined => {
    const vtep = vteps.find((candidate) => candidate.family === family);
    return vtep && encodeVtepData({ vni, mac: vtep.mac });
  };
  const [v4, v6] = [data(4), data(6)];
  return { backendType: backend.type, ...(v4 && { backendData: v4 }), ...(v6 && { backendV6Data: v6 }) };
}

function networkAddress({ subnet, ipv6Subnet }: Lease, { family }: Vtep): IpAddress {
  const own = family === 4 ? subnet : ipv6Subnet;
  if (!own) throw new TartanError('BACKEND_LEASE_INCOMPLETE', { backend: 'vxlan', family });
  return own.address;
}
