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
});
