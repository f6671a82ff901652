'use strict';

const { emptyKernelState, otherBackendFindings, peerName } = require('@tartan/core');

/** Leases in, kernel objects out. No I/O, no clock, no memory of the last call. */
exports.planRoutes = (facts, leases) => {
  const isOurs = ({ attrs }) => attrs.backendType === 'via-gateway';
  const peers = leases.filter((lease) => isOurs(lease) && lease.subnet !== null);
  const sound = peers.filter(({ subnet }) => isSound(facts, subnet));
  return {
    desired: { ...emptyKernelState, routes: sound.map((lease) => routeTo(facts, lease)) },
    ownership: { devices: [], adoptRoutesVia: [facts.gateway] },
    findings: [
      ...otherBackendFindings(leases.filter((lease) => !isOurs(lease))),
      ...peers.filter((lease) => !sound.includes(lease)).map(badSubnet),
    ],
  };
};

/** A lease is data from another host: what it claims must not hurt us. */
function isSound({ network, ownSubnet }, subnet) {
  return network.contains(subnet) && !ownSubnet.overlaps(subnet);
}

function routeTo({ gateway, ifname }, lease) {
  return { dst: lease.subnet, gateway, ifname, peer: peerName(lease) };
}

function badSubnet(lease) {
  return {
    severity: 'error',
    code: 'PEER_BAD_SUBNET',
    subject: `peer ${peerName(lease)}`,
    message: `${lease.subnet} lies outside of the overlay network, or in our own subnet`,
    cure: 'Delete the lease; the peer takes a new one.',
  };
}
