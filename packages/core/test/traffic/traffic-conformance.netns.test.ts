import { trafficSuite } from '@tartan/conformance';
import { TrafficWorld, type WorldOptions } from './world/traffic-world';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
  await world.reset();
});
afterAll(() => world.destroy());

const runner = { describe, it, beforeEach, afterEach };
const open = (options: WorldOptions) => () => Promise.resolve(world.subject(options));

describe('nftables', () => trafficSuite(runner, open({ choice: 'nftables', flavour: 'nft' })));

describe('iptables-legacy', () => trafficSuite(runner, open({ choice: 'iptables', flavour: 'legacy' })));

describe('iptables-nft', () => {
  trafficSuite(runner, open({ choice: 'iptables', flavour: 'nft' }), ['masquerading', 'forwarding', 'upkeep']);
});

describe('nftables on a host with iptables-legacy', () => {
  trafficSuite(runner, open({ choice: 'nftables', flavour: 'legacy' }), ['forwarding']);
});
