import { Ipv4Address, Ipv4Prefix, Ipv6Prefix, type Json, type Lease } from '@tartan/core';
import { kernelPathAnnouncement, kernelPathPeers } from '../../src/kernel-path';

function lease(number: number, backendData?: Json, publicIP = `192.168.50.${number}`): Lease {
  return {
    subnet: Ipv4Prefix.parse(`10.5.${number}.0/24`),
    ipv6Subnet: null,
    attrs: {
      publicIP: Ipv4Address.parse(publicIP),
      publicIPv6: null,
      backendType: '',
      ...(backendData !== undefined && { backendData }),
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

const own = { backendData: kernelPathAnnouncement, port: 8285 };
const texts = (leases: readonly Lease[], side: Parameters<typeof kernelPathPeers>[0] = own): string[] =>
  kernelPathPeers(side, leases).map(
    ({ prefix, endpoint }) => `${prefix.toString()} ${endpoint.address.toString()}:${endpoint.port}`,
  );

describe('peers of the kernel path', () => {
  it('are those that announce it as we do', () => {
    const leases = [lease(2, kernelPathAnnouncement), lease(3), lease(4, kernelPathAnnouncement)];
    expect(texts(leases)).toEqual(['10.5.2.0/24 192.168.50.2:8285', '10.5.4.0/24 192.168.50.4:8285']);
  });

  it('are none where we do not announce it', () => {
    expect(texts([lease(2, kernelPathAnnouncement)], { port: 8285 })).toEqual([]);
    expect(texts([lease(2, kernelPathAnnouncement)], { port: 8285, backendData: null })).toEqual([]);
  });

  it.each<[string, Json]>([
    ['no data', null],
    ['a later version', { KernelPath: 2 }],
    ['true', { KernelPath: true }],
    ['a text', { KernelPath: '1' }],
    ['a list', [1]],
    ['the data of another backend', { VNI: 1, VtepMAC: '02:00:00:00:00:01' }],
  ])('are not those with %s', (_, data) => {
    expect(texts([lease(2, data)])).toEqual([]);
  });

  it('may announce more than we know of', () => {
    expect(texts([lease(2, { KernelPath: 1, Other: {} })])).toHaveLength(1);
  });

  it('have an IPv4 address', () => {
    expect(texts([lease(2, kernelPathAnnouncement, '0.0.0.0')])).toEqual([]);
  });

  it('are reached over IPv4 in both families', () => {
    const dual = { ...lease(2, kernelPathAnnouncement), ipv6Subnet: Ipv6Prefix.parse('fc00:0:0:2::/64') };
    expect(texts([dual])).toEqual(['10.5.2.0/24 192.168.50.2:8285', 'fc00:0:0:2::/64 192.168.50.2:8285']);
  });
});
