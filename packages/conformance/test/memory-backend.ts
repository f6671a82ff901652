import {
  BACKEND_CONTRACT_VERSION,
  emptyKernelState,
  type Backend,
  type BackendContext,
  type BackendModule,
  type DesiredRoute,
  type Finding,
  type IpPrefix,
  type Lease,
  type NetworkConfig,
  type Plan,
} from '@tartan/core';

/*
 * A backend that carries no packet anywhere: peers' subnets are routed into the loopback device. It is here to show that the
 * suite asks for the contract and for nothing that only host-gw has: no next hops, no facts, data of its own in the lease.
 */

export const memoryBackend: BackendModule = {
  type: 'memory',
  contractVersion: BACKEND_CONTRACT_VERSION,
  capabilities: {
    ipv4: true,
    ipv6: true,
    needsSameL2: false,
    needsOwnPublicIP: false,
    hitlessRestart: true,
    underlayFacts: false,
  },
  create,
};

function create({ config, identity, externalInterface }: BackendContext): Backend {
  return {
    prepare: () => Promise.resolve({ backendType: 'memory', backendData: { room: `room of ${identity.node}` } }),
    start: (lease) =>
      Promise.resolve({
        mtuBytes: externalInterface.mtuBytes,
        plan: ({ snapshot: { leases } }) => plan(config, lease, leases),
        close: () => Promise.resolve(),
      }),
  };
}

function plan(config: NetworkConfig, own: Lease, leases: readonly Lease[]): Plan {
  const peers = leases.filter(hasRoom);
  return {
    desired: { ...emptyKernelState, routes: peers.flatMap((peer) => routesTo(config, own, peer)) },
    ownership: { adoptRoutesVia: [], devices: [] },
    findings: leases.filter((peer) => !hasRoom(peer)).map(withoutRoom),
  };
}

function hasRoom({ attrs: { backendType, backendData } }: Lease): boolean {
  return backendType === 'memory' && typeof backendData === 'object' && backendData !== null && 'room' in backendData;
}

function routesTo(config: NetworkConfig, own: Lease, { subnet, ipv6Subnet }: Lease): DesiredRoute[] {
  const allowed = (dst: IpPrefix | null): dst is IpPrefix =>
    dst !== null &&
    [config.ipv4, config.ipv6].some((family) => family?.network.contains(dst)) &&
    ![own.subnet, own.ipv6Subnet].some((taken) => taken?.overlaps(dst));
  return [subnet, ipv6Subnet].filter(allowed).map((dst) => ({ dst, ifname: 'lo' }));
}

function withoutRoom({ attrs: { publicIP } }: Lease): Finding {
  return {
    severity: 'warning',
    code: 'PEER_WITHOUT_ROOM',
    subject: `peer ${publicIP.toString()}`,
    message: 'the peer publishes no room',
  };
}
