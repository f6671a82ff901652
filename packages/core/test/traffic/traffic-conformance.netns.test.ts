import { trafficForwardingSuite, trafficSuite } from '@tartan/conformance';
import { TrafficWorld, type WorldOptions } from './world/traffic-world';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
  await world.reset();
});
afterAll(() => world.destroy());

const runner = { describe, it, beforeEach, afterEach };
const open = (options: WorldOptions) => () => Promise.resolve(world.subject(options));

const implementations: readonly [name: string, options: WorldOptions][] = [
  ['nftables', { choice: 'nftables', flavour: 'nft' }],
  ['iptables-nft', { choice: 'iptables', flavour: 'nft' }],
  ['iptables-legacy', { choice: 'iptables', flavour: 'legacy' }],
];

describe.each(implementations)('%s', (_, options) => trafficSuite(runner, open(options)));

describe('nftables on a host with iptables-legacy', () => {
  trafficForwardingSuite(runner, open({ choice: 'nftables', flavour: 'legacy' }));
});
