import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  LastClusterStore,
  type LastCluster,
  type LastLeaseKey,
  type Lease,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { useTemporaryDirectory } from './temporary-directory';

const at = useTemporaryDirectory();
const KEY: LastLeaseKey = { subnetFile: '/run/flannel/subnet.env', datastore: 'etcd:/coreos.com/network' };
const V4: Lease = {
  subnet: Ipv4Prefix.parse('10.5.2.0/24'),
  ipv6Subnet: null,
  attrs: {
    publicIP: Ipv4Address.parse('192.168.50.2'),
    publicIPv6: null,
    backendType: 'vxlan',
    backendData: { VNI: 1, VtepMAC: '02:00:00:00:00:02' },
  },
  expiresAt: null,
  reservation: false,
  revision: '17',
};
const DUAL: Lease = {
  ...V4,
  ipv6Subnet: Ipv6Prefix.parse('fc00::/64'),
  attrs: { ...V4.attrs, publicIPv6: Ipv6Address.parse('fd00::2'), owner: { node: 'two', machine: 'f00d' } },
};
const LAST: LastCluster = { config: '{"Network":"10.5.0.0/16"}', peers: [V4, DUAL] };

let logger: MemoryLogger;
beforeEach(() => {
  logger = new MemoryLogger();
});

const store = (machine: string | undefined = 'this', key = KEY): LastClusterStore =>
  new LastClusterStore({ directory: at('state'), key, machine, logger });

describe('LastClusterStore', () => {
  it('gives back what was written', async () => {
    await store().write(LAST);
    const found = await store().read();
    expect(JSON.stringify(found)).toBe(JSON.stringify(LAST));
    expect(found?.peers[1]?.ipv6Subnet).toBeInstanceOf(Ipv6Prefix);
    expect(found?.peers[1]?.attrs.publicIPv6).toBeInstanceOf(Ipv6Address);
    expect(logger.lines).toHaveLength(0);
  });

  it('gives back as many peers as it writes, whatever they say', async () => {
    const owner = { node: 'n'.repeat(63), machine: 'f'.repeat(64) };
    const backendData = { VNI: 16_777_215, VtepMAC: '02:00:00:00:00:02' };
    const long: Lease = { ...DUAL, attrs: { ...DUAL.attrs, backendData, backendV6Data: backendData, owner } };
    await store().write({ config: LAST.config, peers: Array.from({ length: 60_000 }, () => long) });
    expect((await store().read())?.peers).toHaveLength(50_000);
    expect(logger.lines).toHaveLength(0);
  });

  it('gives back an empty cluster without a config', async () => {
    await store().write({ config: null, peers: [] });
    expect(await store().read()).toEqual({ config: null, peers: [] });
  });

  it('says nothing where there is no file, and does not mix up two daemons', async () => {
    await store().write(LAST);
    expect(await store('this', { ...KEY, datastore: 'kube:other' }).read()).toBeNull();
    expect(logger.lines).toHaveLength(0);
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ['is cut off', (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, 200)), /JSON/],
    ['is of a later version', (path) => edit(path, { version: 2 }), /version 2/],
    ['comes from another host', (path) => edit(path, { machine: 'other' }), /another host/],
    ['holds a peer without a place', (path) => edit(path, { peers: [{ ...V4, subnet: null }] }), /no subnet/],
    ['holds no list', (path) => edit(path, { peers: {} }), /no list/],
    ['is far too large', (path) => truncateSync(path, 65 * 2 ** 20), /larger than/],
  ])('goes on without a file that %s, and says so', async (_, spoil, reason) => {
    await store().write(LAST);
    spoil(store().path);
    expect(await store().read()).toBeNull();
    expect(logger.matching('remembered peers cannot be used')).toHaveLength(1);
    expect(String(logger.lines[0]?.fields['reason'])).toMatch(reason);
  });
});

function edit(path: string, change: object): void {
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change }));
}
