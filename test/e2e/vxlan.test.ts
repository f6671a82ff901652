import { PREFIX, converged, podOf, sharedCluster, subnetsOf, withCluster } from './support/cluster';
import {
  deviceOf,
  fdbOf,
  fits,
  macOf,
  neighboursOf,
  transfer,
  tunnelPackets,
  VXLAN,
  VXLAN_DUAL,
  VXLAN_IPV6,
} from './support/vxlan';

const UNDERLAY_V6 = { underlayIpv6: 'fd50::/64' };

const modes = [
  { name: 'IPv4', config: VXLAN, lab: {}, families: [4], mtuBytes: 1450 },
  { name: 'dual stack', config: VXLAN_DUAL, lab: UNDERLAY_V6, families: [4, 6], mtuBytes: 1430 },
  { name: 'IPv6 only', config: VXLAN_IPV6, lab: UNDERLAY_V6, families: [6], mtuBytes: 1430 },
] as const;

describe.each(modes)('three hosts, $name', ({ config, lab, families, mtuBytes }) => {
  const cluster = sharedCluster({ config, lab });

  cluster.test(
    'every pod reaches every other with packets of full size, and nothing is fragmented on the way',
    async ({ hosts, daemons }) => {
      expect((await daemons[0]!.subnetEnv()).mtuBytes).toBe(mtuBytes);
      for (const family of families) {
        for (const from of hosts) {
          for (const to of hosts.filter((host) => host !== from)) {
            expect(await fits(podOf(from), podOf(to), family, mtuBytes)).toBe(true);
          }
        }
      }
    },
  );

  cluster.test('packets on the wire have the ports, VNI and MACs of the leases', async ({ hosts }) => {
    const [one, two] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
    for (const family of families) {
      const filter = family === 4 ? 'ip and udp' : 'ip6';
      const capture = await one.capture({ ifname: 'eth0', filter });
      expect(await fits(podOf(one), podOf(two), family, mtuBytes)).toBe(true);
      await capture.atLeast(2, { filter: family === 4 ? 'udp port 8472' : 'ip6 proto 17' });
      await capture.stop();
      const [macOne, macTwo] = [await macOf(one, deviceOf(family)), await macOf(two, deviceOf(family))];
      const packets = await tunnelPackets(capture.file, family);
      const outer = family === 4 ? [one.ipv4, two.ipv4] : [one.ipv6, two.ipv6];
      const inner = family === 4 ? [podOf(one).ipv4, podOf(two).ipv4] : [podOf(one).ipv6, podOf(two).ipv6];
      const there = packets.find(({ innerSource }) => innerSource === inner[0]);
      const back = packets.find(({ innerSource }) => innerSource === inner[1]);
      expect(there).toMatchObject({
        udpPort: 8472,
        vni: 1,
        outerSource: outer[0],
        outerDestination: outer[1],
        innerSourceMac: macOne,
        innerDestinationMac: macTwo,
        innerDestination: inner[1],
      });
      expect(back).toMatchObject({ udpPort: 8472, vni: 1, innerSourceMac: macTwo, innerDestinationMac: macOne });
      expect(packets.filter(({ fragment }) => fragment)).toEqual([]);
      // IPv6's length leaves its own header of 40 bytes out.
      expect(there?.length).toBe(mtuBytes + (family === 4 ? 50 : 70 - 40));
    }
  });

  cluster.test('a large transfer arrives bit by bit', async ({ hosts }) => {
    const [one, two] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
    for (const family of families) {
      const pod = podOf(two);
      const [sent, received] = await transfer(podOf(one), pod, family === 4 ? pod.ipv4 : pod.ipv6, 64);
      expect(received).toBe(sent);
    }
  });
  if (families.length === 2)
    cluster.test(
      'the lease in etcd is the value that flanneld would write, and the device holds what it says',
      async ({ etcd, hosts }) => {
        const [one, two] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
        const [v4 = '', v6 = ''] = await subnetsOf(one);
        const key = `${PREFIX}/subnets/${v4.replace('/', '-')}&${v6.replace('/', '-')}`;
        const text = (await etcd.etcdctl(['get', '--print-value-only', key])).trim();
        const [mac, v6Mac] = [await macOf(one), await macOf(one, 'flannel-v6.1')];
        expect(text).toMatch(
          new RegExp(
            `^\\{"PublicIP":"${one.ipv4}","PublicIPv6":"${one.ipv6}","BackendType":"vxlan",` +
              `"BackendData":\\{"VNI":1,"VtepMAC":"${mac}"\\},"BackendV6Data":\\{"VNI":1,"VtepMAC":"${v6Mac}"\\}`,
          ),
        );
        expect(await fdbOf(two)).toContain(`${mac} ${one.ipv4}`);
        expect(await fdbOf(two, 'flannel-v6.1')).toContain(`${v6Mac} ${one.ipv6}`);
        expect(await neighboursOf(two)).toContain(`${v4.replace(/\/\d+$/, '')} ${mac}`);
      },
    );

  cluster.test(
    'the MAC of a node is the same after its devices are gone, as after a reboot',
    async ({ hosts, daemons }) => {
      const [one, two] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
      const macs = (): Promise<string[]> => Promise.all(families.map((family) => macOf(one, deviceOf(family))));
      const before = await macs();
      await daemons[0]!.stop();
      for (const family of families) await one.ip(`link delete ${deviceOf(family)}`);
      await daemons[0]!.start();
      await daemons[0]!.waitUntilReady();
      await converged(hosts);
      expect(await macs()).toEqual(before);
      expect(await podOf(one).reaches(families[0] === 4 ? podOf(two).ipv4 : podOf(two).ipv6)).toBe(true);
    },
  );
});

test('another port and VNI', () =>
  withCluster(
    { config: { ...VXLAN, Backend: { Type: 'vxlan', VNI: 77, Port: 4789 } }, hosts: 2 },
    async ({ hosts }) => {
      const [one, two] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
      expect(await one.ip('-d link show flannel.77')).toContain('vxlan id 77');
      expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
    },
  ));
