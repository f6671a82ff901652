import { eventually, startPlainUdpPeer, transfer, withLab, type Host, type Lab, type Pod } from '@tartan/lab';

const MTU = 1472;
const NETWORK = '10.42.0.0/16';
const COPY_BYTES = 2_000_000;

interface Route {
  readonly prefix: string;
  readonly nextHop: string;
}

/** Two hosts with a plain peer each. `firstRoutes` stand before the one to the other host in the table of the first. */
async function withPeers(
  body: (lab: Lab, pods: readonly [Pod, Pod]) => Promise<void>,
  firstRoutes: readonly Route[] = [],
): Promise<void> {
  await withLab({}, async (lab) => {
    await lab.addHosts(2);
    const [one, two] = lab.hosts as [Host, Host];
    const pods = await Promise.all(
      [one, two].map((host, i) => host.addPod({ subnet: { ipv4: `10.42.${i + 1}.1/24`, mtuBytes: MTU } })),
    );
    const common = { network: NETWORK, mtuBytes: MTU };
    await startPlainUdpPeer({
      ...common,
      host: one,
      subnet: '10.42.1.0/24',
      routes: [...firstRoutes, { prefix: '10.42.2.0/24', nextHop: two.ipv4 }],
    });
    await startPlainUdpPeer({
      ...common,
      host: two,
      subnet: '10.42.2.0/24',
      routes: [{ prefix: '10.42.1.0/24', nextHop: one.ipv4 }],
    });
    await body(lab, pods as [Pod, Pod]);
  });
}

describe('the plain udp peer', () => {
  it('carries content to another of its kind, one inner packet a datagram', () =>
    withPeers(async (lab, [a, b]) => {
      const capture = await lab.switch.capture({ filter: 'udp port 8285', ifname: lab.hosts[0]!.uplink.port });
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const { sent, received } = await transfer({ from, to, address: to.ipv4, bytes: COPY_BYTES });
        expect(received).toEqual(sent);
        expect(received.bytes).toBe(COPY_BYTES);
      }
      await capture.stop();
      // The outer total length (bytes 2 and 3 of the IP header) is the inner one and 28: ether[16:2] and ether[44:2].
      expect(await capture.count('ether[44:2] + 28 = ether[16:2]')).toBe(await capture.count());
      expect(await capture.count('ether[16:2] = 1500')).toBeGreaterThan(COPY_BYTES / MTU);
      expect(await capture.count('greater 1515')).toBe(0);
    }));

  it('takes two from the TTL, and drops in silence what has reached its end', () =>
    withPeers(async (_lab, [a, b]) => {
      const capture = await b.capture({ ifname: 'eth0', filter: 'icmp[icmptype] = icmp-echo' });
      expect(await a.reaches(b.ipv4)).toBe(true);
      await capture.atLeast(1);
      // 64, less one at each host that forwards and one at each end of the tunnel.
      expect(await capture.count('ip[8] = 60')).toBe(await capture.count());
      const { stdout } = await a.run(['ping', '-n', '-c', '1', '-W', '1', '-t', '2', b.ipv4], { allowFailure: true });
      expect(stdout).toContain('0 received');
      expect(stdout).not.toContain('Time to live exceeded');
    }));

  it('takes the first route that matches, not the longest', () =>
    withPeers(
      async (lab, [a, b]) => {
        const capture = await lab.switch.capture({ filter: 'arp', ifname: lab.hosts[0]!.uplink.port });
        expect(await a.reaches(b.ipv4)).toBe(false);
        await eventually(async () => (await capture.lines()).some((line) => line.includes('who-has 192.168.50.77')), {
          what: 'it looks for the next hop of the first route',
        });
      },
      [{ prefix: NETWORK, nextHop: '192.168.50.77' }],
    ));
});
