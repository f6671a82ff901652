import { defineErrors } from './define-errors';

export const leaseErrors = defineErrors({
  LEASE_OUT_OF_SUBNETS: {
    message: (data: { family: 4 | 6; network: string; used: number; free: number }) =>
      `out of subnets: ${data.used} used, ${data.free} free in ${data.network}`,
    cause: 'Every subnet between SubnetMin and SubnetMax is leased or reserved.',
    cure: 'Widen Network or SubnetMin/SubnetMax, choose a longer SubnetLen, or delete leases of hosts that are gone.',
  },
  LEASE_DUPLICATE_PUBLIC_IP: {
    message: (data: { publicIP: string; subnet: string; ourNode: string; otherNode: string }) =>
      `public address ${data.publicIP} is already used by node "${data.otherNode}" for ${data.subnet}; this node is "${data.ourNode}"`,
    cause:
      'Two hosts publish the same public address, often the NAT address that a virtual machine manager gives to all guests.',
    cure: 'Choose the right interface with --iface, or set --public-ip. If the other node is gone, delete its lease.',
  },
  LEASE_TAKEN: {
    message: (data: { subnet: string; otherNode: string; publicIP: string }) =>
      `our subnet ${data.subnet} is held by node "${data.otherNode}" (${data.publicIP}) now`,
    cause:
      'This node was cut off from the datastore for longer than its lease lives, and another node leased the subnet.',
    cure: 'Start the daemon again: it takes another subnet. Containers that run on this node must be restarted then.',
  },
  NODE_NAME_CHANGED: {
    message: (data: { node: string; remembered: string }) =>
      `our pod runs on node "${data.node}", the last run was on node "${data.remembered}"`,
    cause:
      'The API server did not answer at the start and NODE_NAME is not set, so the daemon took the name of the last run from its state directory; but the node has another name now, or the directory came from another host.',
    cure: 'Nothing to do: the daemon ends, and its next start takes the right name. With NODE_NAME (fieldRef spec.nodeName) in the pod it cannot happen.',
  },
  LEASE_NOT_HELD: {
    message: () => 'this node holds no lease',
    cause: 'No lease was acquired yet, or it was lost and is not ours again.',
    cure: 'Nothing to do: what was to be published is published as soon as the lease is ours.',
  },
});
