import { createCommandRunner, type Clock } from '@tartan/core';
import { networkConfig, ownLease, peer } from './support/nodes';
import { openNamespace, type OpenNamespace } from './support/open-namespace';
import { comesTrue, WorkingNode } from './support/working-node';

/* What stands in the way on a real host is found, and the finding goes when it is gone, without a restart. */

let host: OpenNamespace;
let node: WorkingNode | undefined;

beforeEach(async () => {
  host = await openNamespace(`
    link add eth0 type veth peer name segment
    link set segment up
    link set eth0 up
    address add 192.168.50.1/24 dev eth0
  `);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await host.close();
});

/** A reading of the firewall would be good for half a minute; here it is old at once. */
function impatientClock(): Clock {
  let looks = 0;
  return { monotonic: () => ++looks * 60_000 } as Clock;
}

async function start(): Promise<WorkingNode> {
  const runner = createCommandRunner({ prefix: ['nsenter', '-t', String(host.pid), '-n', '-m'] });
  node = await WorkingNode.start({
    netlink: host.netlink,
    config: networkConfig('ipv4'),
    own: ownLease,
    inspectionIntervalMs: 200,
    firewall: { runner, clock: impatientClock(), readText: () => Promise.resolve(undefined) },
  });
  await node.setPeers([peer(2), peer(3)]);
  return node;
}

function found(): string[] {
  return node?.reconciler.status().findings.map(({ code, subject }) => `${code} ${subject}`) ?? [];
}

it('an overlapping network is found as it comes, and let go as it goes', async () => {
  await start();
  expect(found()).toEqual([]);
  host.ip('link add docker0 type bridge');
  host.ip('link set docker0 up');
  host.ip('address add 10.5.77.1/24 dev docker0');
  await comesTrue('found', () => found().join() === 'NETWORK_OVERLAP docker0 10.5.77.0/24');
  host.ip('link delete docker0');
  await comesTrue('gone', () => found().length === 0);
});

it('a firewall that drops the tunnel is found, and let go after its cure', async () => {
  host.run('nft', 'add table inet mine { chain in { type filter hook input priority 0; policy drop; }; }');
  await start();
  await comesTrue('found', () => found().join() === 'UDP_PORT_FILTERED UDP port 8472: the nftables chain inet mine in');
  const cure = node?.reconciler.status().findings[0]?.cure ?? '';
  expect(cure).toBe('nft insert rule inet mine in udp dport 8472 accept');
  host.run('sh', '-c', cure);
  await comesTrue('gone', () => found().length === 0);
});
