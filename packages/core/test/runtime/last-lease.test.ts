import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  isStillGood,
  LastLeaseStore,
  renderSubnetEnv,
  subnetEnvOf,
  type LastLease,
  type LastLeaseKey,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { useTemporaryDirectory } from './temporary-directory';

const at = useTemporaryDirectory();
const key: LastLeaseKey = { subnetFile: '/run/flannel/subnet.env', datastore: 'etcd:/coreos.com/network' };
const last: LastLease = {
  lease: {
    subnet: Ipv4Prefix.parse('10.5.7.0/24'),
    ipv6Subnet: Ipv6Prefix.parse('fc00:0:0:7::/64'),
    attrs: {
      publicIP: Ipv4Address.parse('192.168.0.1'),
      publicIPv6: Ipv6Address.parse('fd00::1'),
      backendType: 'vxlan',
      backendData: { VNI: 1, VtepMAC: 'aa:bb:cc:dd:ee:ff' },
      backendV6Data: { VNI: 1 },
      owner: { node: 'one', machine: 'f00d' },
      extra: { Unknown: [1, null] },
    },
    expiresAt: 1_700_000_086_400,
    reservation: false,
    revision: '42',
  },
  network: Ipv4Prefix.parse('10.5.0.0/16'),
  ipv6Network: Ipv6Prefix.parse('fc00::/48'),
  mtuBytes: 1450,
  ipMasq: true,
};

let logger: MemoryLogger;
beforeEach(() => {
  logger = new MemoryLogger();
});

const store = (which = key): LastLeaseStore => new LastLeaseStore({ directory: at('state'), key: which, logger });

describe('LastLeaseStore', () => {
  it('gives back what was written', async () => {
    await store().write(last);
    const found = await store().read();
    expect(JSON.stringify(found)).toBe(JSON.stringify(last));
    expect(found?.lease.subnet).toBeInstanceOf(Ipv4Prefix);
    expect(found?.lease.attrs.publicIPv6).toBeInstanceOf(Ipv6Address);
  });

  it('gives back a lease of one family without optional members', async () => {
    const { publicIP, backendType } = last.lease.attrs;
    const lease = {
      ...last.lease,
      ipv6Subnet: null,
      expiresAt: null,
      reservation: true,
      attrs: { publicIP, publicIPv6: null, backendType },
    };
    const small = { ...last, lease, ipv6Network: null, ipMasq: false };
    await store().write(small);
    expect(JSON.stringify(await store().read())).toBe(JSON.stringify(small));
  });

  it('knows nothing at first, silently', async () => {
    expect(await store().read()).toBeNull();
    expect(logger.lines).toEqual([]);
  });

  it('keeps daemons of one host apart', async () => {
    const other = { ...key, datastore: 'etcd:/other' };
    await store().write(last);
    expect(await store(other).read()).toBeNull();
    await store(other).write({ ...last, mtuBytes: 1400 });
    expect((await store().read())?.mtuBytes).toBe(1450);
    expect(readdirSync(at('state'))).toHaveLength(2);
  });

  it('is for root only', async () => {
    await store().write(last);
    expect((statSync(store().path).mode & 0o777).toString(8)).toBe('600');
  });

  const edited = (edit: (file: Record<string, unknown>) => void): string => {
    const file = JSON.parse(readFileSync(store().path, 'utf8')) as Record<string, unknown>;
    edit(file);
    return JSON.stringify(file);
  };

  it.each<[string, (text: string) => string]>([
    ['half a file', (text) => text.slice(0, text.length / 2)],
    ['nothing', () => ''],
    ['another kind of JSON', () => '[1]'],
    ['a later version', () => edited((file) => (file['version'] = 2))],
    ['the file of another daemon', () => edited((file) => (file['datastore'] = 'etcd:/else'))],
    ['an address that does not parse', (text) => text.replace('10.5.7.0/24', '10.5.7/24')],
    [
      'a lease without subnet',
      () => edited((file) => Object.assign(file['lease'] as object, { subnet: null, ipv6Subnet: null })),
    ],
    ['an MTU that is no number', () => edited((file) => (file['mtuBytes'] = '1450'))],
  ])('ignores %s with one warning', async (_name, spoil) => {
    await store().write(last);
    writeFileSync(store().path, spoil(readFileSync(store().path, 'utf8')));
    expect(await store().read()).toBeNull();
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'remembered lease cannot be used, going on without it' },
    ]);
  });

  it('says when it cannot write', async () => {
    writeFileSync(at('state'), 'a file in the way');
    await expect(store().write(last)).rejects.toMatchObject({ code: 'FILE_WRITE_FAILED' });
  });
});

describe('isStillGood', () => {
  const now = 1_700_000_000_000;

  it.each([
    ['while the lease lasts', last.lease, 'f00d', now, true],
    ['not after it has run out', last.lease, 'f00d', 1_700_000_086_400, false],
    ['not on a cloned disk', last.lease, 'beef', now, false],
    ['where the machine is not known', last.lease, undefined, now, true],
    ['for a reservation', { ...last.lease, expiresAt: null, reservation: true }, 'f00d', now, true],
    ['not when nobody knows until when', { ...last.lease, expiresAt: null }, 'f00d', now, false],
  ])('%s', (_name, lease, machine, at, expected) => {
    expect(isStillGood({ ...last, lease }, { now: at, machine })).toBe(expected);
  });

  it('where the subnet goes with the node, not for a node of another name', () => {
    const { node } = last.lease.attrs.owner!;
    expect(isStillGood(last, { now, machine: undefined, node })).toBe(true);
    expect(isStillGood(last, { now, machine: undefined, node: `not-${node}` })).toBe(false);
  });
});

it('subnetEnvOf gives the file that belongs to the lease', () => {
  expect(renderSubnetEnv(subnetEnvOf(last))).toContain('FLANNEL_IPV6_SUBNET=fc00:0:0:7::1/64');
  const single = { ...last, lease: { ...last.lease, ipv6Subnet: null } };
  expect(renderSubnetEnv(subnetEnvOf(single))).not.toContain('IPV6');
});
