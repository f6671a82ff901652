import type { NetworkConfig } from '../config';
import { TartanError } from '../errors';
import type { IpFamily } from '../ip';
import type { BackendModule } from './backend';

/** Throws BACKEND_FAMILY_UNSUPPORTED where the network config wants a family that the backend says it cannot carry. */
export function checkFamilies(
  { type, capabilities }: Pick<BackendModule, 'type' | 'capabilities'>,
  { ipv4, ipv6 }: Pick<NetworkConfig, 'ipv4' | 'ipv6'>,
): void {
  const wanted: readonly (readonly [IpFamily, boolean, boolean])[] = [
    [4, ipv4 !== null, capabilities.ipv4],
    [6, ipv6 !== null, capabilities.ipv6],
  ];
  for (const [family, isWanted, isPossible] of wanted) {
    if (isWanted && !isPossible) throw new TartanError('BACKEND_FAMILY_UNSUPPORTED', { backend: type, family });
  }
}
