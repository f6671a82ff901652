import { TUN_NAME } from '../src/tunnel';
import type { PacketRoute } from '../src';
import type { UdpPlan } from '../src/plan';
import {
  externalInterface,
  fakeModule,
  findingLines,
  networkConfig,
  peer,
  planFor,
  planLines,
  startNetwork,
  type Families,
} from './support/nodes';

const { module: udp } = fakeModule();

async function plan(families: Families, leases = [peer(2), peer(3)], mtuBytes = 1500) {
  const config = networkConfig(families);
  const network = await startNetwork(udp, { config, externalInterface: externalInterface({ mtuBytes }) });
  const made = planFor(network, leases);
  return { network, made, table: (made as UdpPlan).dataPath.routes };
}

const tableLines = (table: readonly PacketRoute[]): string[] =>
  table.map((one) => `${one.prefix.toString()} ${one.endpoint.address.toString()} ${one.endpoint.port}`);

describe('plan', () => {
  it('IPv4', async () => {
    const { network, made, table } = await plan('ipv4');
    expect(network.mtuBytes).toBe(1472);
    expect(planLines(made)).toEqual([
      'link flannel0 tun mtu 1472',
      'addr 10.5.1.0/32 dev flannel0',
      'route 10.5.2.0/24 dev flannel0',
      'route 10.5.3.0/24 dev flannel0',
      'unreachable 10.5.0.0/16 metric 2147483646',
      'sysctl net/ipv6/conf/flannel0/accept_ra=0',
    ]);
    expect(tableLines(table)).toEqual(['10.5.2.0/24 192.168.50.2 8285', '10.5.3.0/24 192.168.50.3 8285']);
  });

  it('IPv6 only: the network between the hosts is IPv6 too', async () => {
    const { network, made, table } = await plan('ipv6', [peer(2)]);
    expect(network.mtuBytes).toBe(1452);
    expect(planLines(made)).toEqual([
      'link flannel0 tun mtu 1452',
      'addr fc00:0:0:1::/128 dev flannel0',
      'route fc00:0:0:2::/64 dev flannel0',
      'unreachable fc00::/48 metric 2147483646',
      'sysctl net/ipv6/conf/flannel0/accept_ra=0',
    ]);
    expect(tableLines(table)).toEqual(['fc00:0:0:2::/64 fd00::2 8285']);
  });

  it('dual stack: both families inside of IPv4', async () => {
    const { network, made, table } = await plan('dual', [peer(2)]);
    expect(network.mtuBytes).toBe(1472);
    expect(planLines(made).filter((line) => !line.startsWith('sysctl'))).toEqual([
      'link flannel0 tun mtu 1472',
      'addr 10.5.1.0/32 dev flannel0',
      'addr fc00:0:0:1::/128 dev flannel0',
      'route 10.5.2.0/24 dev flannel0',
      'unreachable 10.5.0.0/16 metric 2147483646',
      'route fc00:0:0:2::/64 dev flannel0',
      'unreachable fc00::/48 metric 2147483646',
    ]);
    expect(tableLines(table)).toEqual(['10.5.2.0/24 192.168.50.2 8285', 'fc00:0:0:2::/64 192.168.50.2 8285']);
  });

  it("is for flanneld's peers as well, whose lease names no family but IPv4", async () => {
    const { made, table } = await plan('dual', [peer(2, { ipv6Subnet: null, publicIPv6: null })]);
    expect(tableLines(table)).toEqual(['10.5.2.0/24 192.168.50.2 8285']);
    expect(findingLines(made)).toEqual([]);
  });

  it('sends ICMP errors from an address that the kernel reaches through the device', async () => {
    const { table } = await plan('dual', [peer(2)]);
    for (const { prefix, icmpSource } of table) expect(prefix.contains(icmpSource)).toBe(true);
  });

  it('does without IPv6 settings where the device has no IPv6', async () => {
    const { made } = await plan('ipv4', [], 1300);
    expect(made.desired.sysctls).toEqual([]);
    expect(made.desired.links[0]).not.toHaveProperty('addrGenMode');
  });

  it('owns the device, and what flanneld left towards its peers', async () => {
    const { made } = await plan('dual', [peer(2)]);
    expect(made.ownership.devices).toEqual([TUN_NAME]);
    expect(made.ownership.adoptRoutesVia.map(String)).toEqual(['192.168.50.2', 'fd00::2']);
  });

  it('takes a type that is spelled out, and skips other backends', async () => {
    const { made, table } = await plan('ipv4', [peer(2, { type: 'udp' }), peer(3, { type: 'vxlan' })]);
    expect(tableLines(table)).toEqual(['10.5.2.0/24 192.168.50.2 8285']);
    expect(findingLines(made)).toEqual(['PEER_OTHER_BACKEND backend vxlan']);
  });

  it.each([
    ['without an address', peer(2, { publicIP: '0.0.0.0' }), 'PEER_WITHOUT_ADDRESS peer fd00::2, 10.5.2.0/24'],
    ['outside', peer(2, { subnet: '10.9.2.0/24' }), 'PEER_OUTSIDE_NETWORK peer 192.168.50.2, 10.9.2.0/24'],
    ['with our subnet', peer(2, { subnet: '10.5.1.0/24' }), 'PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.1.0/24'],
    ['with our address', peer(2, { publicIP: '192.168.50.1' }), 'PEER_SAME_ADDRESS peer 192.168.50.1, 10.5.2.0/24'],
    ['inside another', peer(2, { subnet: '10.5.3.128/25' }), 'PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.3.128/25'],
  ])('leaves a peer %s out, of the table too', async (_, bad, finding) => {
    const { made, table } = await plan('ipv4', [bad, peer(3)]);
    expect(findingLines(made)).toEqual([finding]);
    expect(tableLines(table)).toEqual(['10.5.3.0/24 192.168.50.3 8285']);
  });

  it('names the underlay address that an IPv6 subnet of dual stack lacks', async () => {
    const { made } = await plan('dual', [peer(2, { subnet: null, publicIP: '0.0.0.0' })]);
    expect(made.findings).toMatchObject([
      {
        code: 'PEER_WITHOUT_ADDRESS',
        message: 'the peer holds an IPv6 subnet but publishes no IPv4 address to send it to',
      },
    ]);
  });
});
