import type { DemoReport, PingCell } from '../../src/demo/report';

/** A report of a demo that went well, with as many hosts as asked for. */
export function sampleReport(count: number, changes: Partial<DemoReport> = {}): DemoReport {
  const names = Array.from({ length: count }, (_, i) => `host${i + 1}`);
  const pings = names.flatMap((from) =>
    names.filter((to) => to !== from).map((to): PingCell => ({ from, to, sent: 3, received: 3, averageMs: 0.123 })),
  );
  return {
    ok: true,
    problems: [],
    skipped: [],
    backend: 'vxlan',
    way: 'VXLAN over UDP 8472',
    network: '10.42.0.0/16',
    underlay: '192.168.50.0/24',
    datastore: { kind: 'etcd', where: 'http://192.168.50.254:2379', title: 'etcd 3.4.23' },
    hosts: names.map((name, i) => ({
      name,
      address: `192.168.50.${i + 1}`,
      subnet: `10.42.${200 + i}.0/24`,
      gateway: `10.42.${200 + i}.1`,
      mtuBytes: 1450,
      tunnel: { ifname: 'flannel.1', address: `10.42.${200 + i}.0` },
      pod: { name: `${name}-pod1`, address: `10.42.${200 + i}.2` },
      routes: names
        .slice(1)
        .map((_, peer) => `10.42.${100 + peer}.0/24 via 10.42.${100 + peer}.0 dev flannel.1 onlink`),
    })),
    leases: names.map((node, i) => ({
      key: `/coreos.com/network/subnets/10.42.${200 + i}.0-24`,
      subnet: `10.42.${200 + i}.0/24`,
      node,
      publicIp: `192.168.50.${i + 1}`,
      backend: 'vxlan',
      secondsLeft: 86_399,
    })),
    pings,
    throughput: { from: 'host1', to: names.at(-1) ?? '', bitsPerSecond: 13.4e9, retransmits: 2 },
    crash: {
      host: 'host2',
      from: 'host1',
      to: 'host2',
      sent: 2022,
      lost: 0,
      packetsPerSecond: 1000,
      hitless: true,
      readyAgainMs: 480,
    },
    steps: [],
    seconds: 5.4,
    topologySvg: 'out/demo-topology.svg',
    ...changes,
  };
}
