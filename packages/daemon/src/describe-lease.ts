import type { Lease, LeaseLoss, LeaseSubnets } from '@tartan/core';

/** `10.5.1.0/24`, or both subnets of a dual-stack lease. */
export function describeLease({ subnet, ipv6Subnet, reservation }: Lease): string {
  const subnets = [subnet, ipv6Subnet].flatMap((prefix) => (prefix ? [prefix.toString()] : [])).join(' ');
  return reservation ? `${subnets} (reserved)` : subnets;
}

export function describeLoss(loss: LeaseLoss): string {
  switch (loss.reason) {
    case 'expired':
      return 'the lease ran out';
    case 'deleted':
      return 'the lease was deleted';
    case 'taken': {
      const { owner, publicIP, publicIPv6 } = loss.by.attrs;
      const address = publicIP.isUnspecified && publicIPv6 ? publicIPv6 : publicIP;
      return `the subnet ${describeLease(loss.by)} is held by ${owner ? `${owner.node} (${address.toString()})` : address.toString()}`;
    }
  }
}

export function sameSubnets(a: LeaseSubnets, b: LeaseSubnets): boolean {
  return String(a.subnet) === String(b.subnet) && String(a.ipv6Subnet) === String(b.ipv6Subnet);
}
