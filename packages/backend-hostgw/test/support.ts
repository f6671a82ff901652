import type { Plan } from '@tartan/core';
import { backendNodes } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';

export {
  findingLines,
  nodeInterface as externalInterface,
  onLink,
  underlayFacts as facts,
  type Families,
  type LeaseText,
} from '@tartan/core/testing';

export const { networkConfig, lease, peer, ownLease, context } = backendNodes({
  type: 'host-gw',
  netlink: () => new FakeKernel(),
});

/** Routes as lines, in the plan's order. */
export function routeLines({ desired }: Plan): string[] {
  return desired.routes.map(
    ({ dst, gateway, ifname }) => `${dst.toString()} via ${gateway?.toString() ?? '-'} dev ${ifname ?? '-'}`,
  );
}
