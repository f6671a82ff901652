import {
  selectExternalInterface,
  watchExternalInterface,
  type ExternalInterface,
  type InterfaceChange,
  type InterfaceFamilies,
  type InterfaceWatch,
  type RtNetlink,
} from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { overlaid } from './support';

const DUAL: InterfaceFamilies = { ipv4: true, ipv6: true };

let kernel: FakeKernel;
let clock: FakeClock;
let logger: MemoryLogger;
let watch: InterfaceWatch;
let changes: InterfaceChange[];

const reasons = (): string[] => changes.map((change) => change.reasons.join('+'));

function select(families = DUAL): Promise<ExternalInterface> {
  const options = { iface: ['eth0'], ifaceRegex: [] };
  return selectExternalInterface({ netlink: kernel, families, logger, options });
}

async function start(current: ExternalInterface, netlink: RtNetlink = kernel): Promise<void> {
  watch = watchExternalInterface({
    netlink,
    clock,
    logger,
    current,
    onChange: (change) => changes.push(change),
  });
  await watch.ready;
}

/** Lets events arrive and quiet down. */
async function calm(): Promise<void> {
  await kernel.settled();
  await clock.advance(200);
}

beforeEach(async () => {
  kernel = new FakeKernel();
  clock = new FakeClock();
  logger = new MemoryLogger();
  changes = [];
  kernel.addLink({ name: 'eth0', mtuBytes: 1500, addresses: ['10.0.0.5/24', 'fd00::5/64'] });
  kernel.addLink({ name: 'eth1', mtuBytes: 1500, addresses: ['10.1.0.5/24'] });
  await start(await select());
});

afterEach(() => watch.close());

it('is silent while nothing changes, whatever other interfaces do', async () => {
  kernel.changeLink('eth1', { mtuBytes: 1400 });
  kernel.addAddress('eth1', '10.1.0.6/24');
  await calm();
  expect(changes).toEqual([]);
});

it('tells of a new MTU', async () => {
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await calm();
  expect(changes).toEqual([{ reasons: ['mtu'], ifindex: kernel.link('eth0').index, mtuBytes: 1400 }]);
});

it.each(['10.0.0.5/24', 'fd00::5/64'])('tells when %s is lost', async (address) => {
  kernel.removeAddress('eth0', address);
  await calm();
  expect(reasons()).toEqual(['addresses']);
});

it('has no interest in addresses beside the chosen ones', async () => {
  kernel.addAddress('eth0', '10.0.0.9/24');
  await calm();
  kernel.removeAddress('eth0', '10.0.0.9/24');
  await calm();
  expect(changes).toEqual([]);
});

it.each([
  ['keeps an address that is deprecated: it still carries what runs', { deprecated: true }, []],
  ['gives up an address that turned out to be a duplicate', { dadFailed: true }, ['addresses']],
])('%s', async (_name, state, expected) => {
  watch.close();
  const flags: Record<string, object> = {};
  await start(await select(), overlaid(kernel, { flags }));
  flags['fd00::5'] = state;
  kernel.addAddress('eth0', '10.0.0.9/24');
  await calm();
  expect(reasons()).toEqual(expected);
});

it('makes one change of an address that is replaced', async () => {
  kernel.removeAddress('eth0', '10.0.0.5/24');
  await kernel.settled();
  await clock.advance(150);
  kernel.addAddress('eth0', '10.0.0.6/24');
  await calm();
  expect(reasons()).toEqual(['addresses']);
  expect(String((await select()).address)).toBe('10.0.0.6');
});

it('tells again when another address comes while the chosen one is missing', async () => {
  kernel.removeAddress('eth0', '10.0.0.5/24');
  await calm();
  kernel.addAddress('eth0', '10.0.0.6/24');
  await calm();
  kernel.addAddress('eth0', '10.0.0.5/24');
  await calm();
  expect(reasons()).toEqual(['addresses', 'addresses', 'addresses']);
});

it('tells when the interface is gone and when it is back under another index', async () => {
  kernel.removeLink('eth0');
  await calm();
  expect(changes).toEqual([{ reasons: ['gone'], ifindex: undefined, mtuBytes: undefined }]);
  const { index } = kernel.addLink({ name: 'eth0', mtuBytes: 1500 });
  kernel.addAddress('eth0', '10.0.0.5/24');
  kernel.addAddress('eth0', 'fd00::5/64');
  await calm();
  expect(changes[1]).toMatchObject({ ifindex: index, mtuBytes: 1500 });
  expect(changes[1]?.reasons).toContain('recreated');
});

it('sees a re-creation too quick for the quiet time as one change', async () => {
  kernel.recreateLink('eth0');
  await calm();
  expect(reasons()).toEqual(['recreated']);
});

it('tells of an interface that is set down, and up again', async () => {
  kernel.setLinkDown('eth0');
  await calm();
  kernel.setLinkUp('eth0');
  await calm();
  expect(reasons()[0]).toContain('down');
  expect(reasons().at(-1)).toContain('up');
});

it('looks at the latest after two seconds, however busy the interface is', async () => {
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  for (let step = 0; step < 21 && changes.length === 0; step++) {
    kernel.changeLink('eth0', { mtuBytes: 1300 + step });
    await kernel.settled();
    await clock.advance(100);
  }
  expect(reasons()).toEqual(['mtu']);
});

it('compares with the new choice after an update', async () => {
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await calm();
  watch.update(await select());
  await calm();
  expect(reasons()).toEqual(['mtu']);
  kernel.changeLink('eth0', { mtuBytes: 1500 });
  await calm();
  expect(reasons()).toEqual(['mtu', 'mtu']);
});

it('does not miss what happened between the choice and the start', async () => {
  watch.close();
  const current = await select();
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await start(current);
  expect(reasons()).toEqual(['mtu']);
});

it('looks again after lost events', async () => {
  kernel.holdEvents();
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  kernel.loseEvents();
  kernel.releaseEvents();
  await calm();
  expect(reasons()).toEqual(['mtu']);
});

it('tries again when the kernel cannot be read, with one line in the log', async () => {
  const heal = kernel.failWhen(({ op }) => op === 'list-links', 'ENOBUFS', { socket: true });
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await calm();
  await clock.advance(5_000);
  expect(logger.matching('cannot be read')).toHaveLength(1);
  heal();
  await clock.advance(5_000);
  expect(reasons()).toEqual(['mtu']);
  expect(logger.matching('can be watched again')).toHaveLength(1);
});

it('is silent after close and leaves nothing behind', async () => {
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await kernel.settled();
  watch.close();
  watch.close();
  await clock.advance(5_000);
  expect(changes).toEqual([]);
  expect([clock.timers, kernel.subscriptions]).toEqual([0, 0]);
});

it('does not care for a family that is off', async () => {
  watch.close();
  await start(await select({ ipv4: true, ipv6: false }));
  kernel.removeAddress('eth0', 'fd00::5/64');
  await calm();
  expect(changes).toEqual([]);
});
