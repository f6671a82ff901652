import { trafficSuite } from '@tartan/conformance';
import { TrafficWorld, type WorldOptions } from './world/traffic-world';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
  await world.reset();
});
afterAll(() => world.destroy());

const implementations: readonly [name: string, options: WorldOptions][] = [
  ['nftables, on a host with iptables-nft', { choice: 'nftables', flavour: 'nft' }],
  ['nftables, on a host with iptables-legacy', { choice: 'nftables', flavour: 'legacy' }],
  ['iptables-nft', { choice: 'iptables', flavour: 'nft' }],
  ['iptables-legacy', { choice: 'iptables', flavour: 'legacy' }],
];

describe.each(implementations)('%s', (_, options) => {
  trafficSuite({ describe, it, beforeEach, afterEach }, () => Promise.resolve(world.subject(options)));
});
