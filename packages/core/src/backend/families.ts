import type { NetworkConfig } from '../config';
import { TartanError } from '../errors';
import type { IpFamily } from '../ip';
import type { BackendModule } from './backend';

/** The families that are on, IPv4 first. */
export function enabledFamilies({ ipv4, ipv6 }: Pick<NetworkConfig, 'ipv4' | 'ipv6'>): readonly IpFamily[] {
  return [...(ipv4 ? [4 as const] : []), ...(ipv6 ? [6 as const] : [])];
}

/** Throws BACKEND_FAMILY_UNSUPPORTED where the network config wants a family that the backend says it cannot carry. */
export function checkFamilies(
  { type, capabilities }: Pick<BackendModule, 'type' | 'capabilities'>,
  config: Pick<NetworkConfig, 'ipv4' | 'ipv6'>,
): void {
  for (const family of enabledFamilies(config)) {
    const possible = family === 4 ? capabilities.ipv4 : capabilities.ipv6;
    if (!possible) throw new TartanError('BACKEND_FAMILY_UNSUPPORTED', { backend: type, family });
  }
}
