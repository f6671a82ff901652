import { TartanError, type ExternalInterface, type IpAddress, type IpFamily, type NetworkConfig } from '@tartan/core';

/**
 * Peers use the published address as next hop, so in each enabled family the interface must have an address and publish that
 * very one. Throws BACKEND_NO_ADDRESS and BACKEND_NAT_REFUSED.
 */
export function checkAddresses(config: NetworkConfig, external: ExternalInterface): void {
  if (config.ipv4) checkAddress(4, external.ifname, external.address, external.publicIP);
  if (config.ipv6) checkAddress(6, external.ifname, external.ipv6Address, external.publicIPv6);
}

function checkAddress(
  family: IpFamily,
  ifname: string,
  address: IpAddress | null,
  publicAddress: IpAddress | null,
): void {
  if (!address || !publicAddress) throw new TartanError('BACKEND_NO_ADDRESS', { backend: 'host-gw', family, ifname });
  if (publicAddress.equals(address)) return;
  throw new TartanError('BACKEND_NAT_REFUSED', {
    backend: 'host-gw',
    ifname,
    address: address.toString(),
    publicAddress: publicAddress.toString(),
  });
}
