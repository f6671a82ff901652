import type { KubeNode } from '../src/nodes/kube-node';
import { leaseOfNode, type Families } from '../src/nodes/node-lease';

/* What a Node means as a lease, family by family. */

const DUAL: Families = { ipv4: true, ipv6: true };
const IPV4: Families = { ipv4: true, ipv6: false };
const IPV6: Families = { ipv4: false, ipv6: true };
const BOTH = ['10.5.1.0/24', 'fd51:1::/64'];
const ADDRESSES = { publicIP: '192.168.50.1', publicIPv6: 'fd00::1' };

function nodeOf(podCIDRs: readonly string[], annotations: KubeNode['annotations']): KubeNode {
  const published = { kubeSubnetManager: 'true', backendType: 'vxlan', ...annotations };
  return { name: 'n1', version: 1, createdAt: 0, podCIDRs, annotations: published };
}

/** Key, IPv4 and IPv6 address; or the reason of a skipped node. */
function meaning(podCIDRs: readonly string[], annotations: KubeNode['annotations'], families: Families): unknown {
  const lease = leaseOfNode(nodeOf(podCIDRs, annotations), families);
  if (lease.kind === 'none') return 'none';
  if (lease.kind === 'skipped') return lease.reason;
  const { key, attrs } = lease;
  return [key, attrs.publicIP.toString(), attrs.publicIPv6?.toString() ?? null];
}

test.each<[string, readonly string[], KubeNode['annotations'], Families, unknown]>([
  ['both families', BOTH, ADDRESSES, DUAL, ['10.5.1.0-24&fd51:1::-64', '192.168.50.1', 'fd00::1']],
  [
    'the last podCIDR of a family',
    ['10.5.1.0/24', '10.5.2.0/24'],
    ADDRESSES,
    IPV4,
    ['10.5.2.0-24', '192.168.50.1', null],
  ],
  ['IPv4 alone', BOTH, ADDRESSES, IPV4, ['10.5.1.0-24', '192.168.50.1', null]],
  [
    'IPv6 alone, as flanneld publishes it',
    BOTH,
    { ...ADDRESSES, publicIP: '0.0.0.0' },
    IPV6,
    ['0.0.0.0-0&fd51:1::-64', '0.0.0.0', 'fd00::1'],
  ],
  [
    'nonsense in a family that is off',
    BOTH,
    { ...ADDRESSES, publicIPv6: 'nowhere' },
    IPV4,
    ['10.5.1.0-24', '192.168.50.1', null],
  ],
  [
    'the same the other way round',
    BOTH,
    { ...ADDRESSES, publicIP: 'nowhere' },
    IPV6,
    ['0.0.0.0-0&fd51:1::-64', '0.0.0.0', 'fd00::1'],
  ],
  [
    'nonsense in a family that is on',
    BOTH,
    { ...ADDRESSES, publicIPv6: 'nowhere' },
    DUAL,
    expect.stringMatching(/^node n1: .*nowhere/),
  ],
  [
    'only an address of the other family',
    BOTH,
    { publicIPv6: 'fd00::1' },
    IPV4,
    'node n1: the node has no public-ip annotation',
  ],
  ['no address', BOTH, {}, IPV6, 'node n1: the node has no public-ipv6 annotation'],
  ['no podCIDR', [], ADDRESSES, DUAL, 'node n1: the node has no podCIDR of a family that the network has'],
  ['three podCIDRs', [...BOTH, '10.6.0.0/24'], ADDRESSES, DUAL, 'node n1: 3 podCIDRs, at most two can be used'],
  ['not taking part', BOTH, { ...ADDRESSES, kubeSubnetManager: 'True' }, DUAL, 'none'],
])('%s', (_name, podCIDRs, annotations, families, expected) => {
  expect(meaning(podCIDRs, annotations, families)).toEqual(expected);
});

test.each([
  ['{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}', { VNI: 1, VtepMAC: '02:00:00:00:00:09' }],
  ['null', undefined],
  ['', undefined],
  ['any text of an extension', 'any text of an extension'],
])('backend-data %j', (text, expected) => {
  const lease = leaseOfNode(nodeOf(BOTH, { ...ADDRESSES, backendData: text }), IPV4);
  expect(lease).toMatchObject({ kind: 'lease' });
  expect(lease.kind === 'lease' && lease.attrs.backendData).toEqual(expected);
});
