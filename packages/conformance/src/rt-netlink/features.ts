import assert from 'node:assert/strict';
import { isTartanError, type KernelEvent, type Link, type LinkFeature } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import type { NetlinkFixture } from './fixture';

const CHECKSUM = 'tx-checksum-ip-generic';
const SEGMENTATION = 'tx-tcp-segmentation';
/** Drivers that checksum any protocol do not have this one. */
const FIXED = 'tx-checksum-ipv4';

const on: LinkFeature = { active: true, wanted: true, changeable: true };
const off: LinkFeature = { active: false, wanted: false, changeable: true };

export function featureSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  const addVxlan = (): Promise<Link> =>
    fixture.addLink({ name: 'vx0', kind: 'vxlan', vxlan: { vni: 7, port: 8472, learning: false, gbp: false } });
  const feature = async (ifindex: number, name: string): Promise<LinkFeature | undefined> =>
    (await fixture.netlink.listLinkFeatures(ifindex)).get(name);

  describe('features of links', () => {
    it('are told by name, with what is fixed', async () => {
      const { index } = await addVxlan();
      const features = await fixture.netlink.listLinkFeatures(index);
      assert.deepEqual(features.get(CHECKSUM), on);
      assert.deepEqual(features.get(FIXED), { active: false, wanted: false, changeable: false });
      assert.equal(features.get('no-such-feature'), undefined);
    });

    it('go off and on again, each time with what depends on them', async () => {
      const { index: ifindex } = await addVxlan();
      await fixture.ok({ op: 'link-features', ifindex, features: { [CHECKSUM]: false } });
      assert.deepEqual(await feature(ifindex, CHECKSUM), off);
      assert.deepEqual(await feature(ifindex, SEGMENTATION), { active: false, wanted: true, changeable: true });
      await fixture.ok({ op: 'link-features', ifindex, features: { [CHECKSUM]: true } });
      assert.deepEqual([await feature(ifindex, CHECKSUM), await feature(ifindex, SEGMENTATION)], [on, on]);
    });

    it('several change in one op; setting what is set already is success', async () => {
      const { index: ifindex } = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1' });
      const features = { [CHECKSUM]: false, 'rx-gro': false, [SEGMENTATION]: true };
      await fixture.ok({ op: 'link-features', ifindex, features }, { op: 'link-features', ifindex, features });
      assert.deepEqual([await feature(ifindex, CHECKSUM), await feature(ifindex, 'rx-gro')], [off, off]);
      assert.equal((await feature(ifindex, SEGMENTATION))?.active, false);
    });

    it('an unknown name is refused and nothing of the op is done', async () => {
      const { index: ifindex } = await addVxlan();
      const features = { [CHECKSUM]: false, 'no-such-feature': true };
      const refusal = await fixture.refused({ op: 'link-features', ifindex, features });
      assert.equal(refusal.errnoName, 'EOPNOTSUPP');
      assert.deepEqual(await feature(ifindex, CHECKSUM), on);
    });

    it('a fixed one is refused by name and the others of the op are set', async () => {
      const { index: ifindex } = await addVxlan();
      const features = { [FIXED]: true, [CHECKSUM]: false };
      const refusal = await fixture.refused({ op: 'link-features', ifindex, features });
      assert.deepEqual([refusal.errnoName, refusal.extendedAck], ['EOPNOTSUPP', `fixed on this device: ${FIXED}`]);
      assert.deepEqual(await feature(ifindex, CHECKSUM), off);
      await fixture.ok({ op: 'link-features', ifindex, features: { [FIXED]: false } });
    });

    it('a link that is not there is ENODEV', async () => {
      const refusal = await fixture.refused({ op: 'link-features', ifindex: 4711, features: { [CHECKSUM]: false } });
      assert.equal(refusal.errnoName, 'ENODEV');
      await assert.rejects(
        fixture.netlink.listLinkFeatures(4711),
        (error) => isTartanError(error, 'KERNEL_REFUSED') && error.data.errnoName === 'ENODEV',
      );
    });

    it('keep their place among other ops, and a refusal stops none of them', async () => {
      const { index: ifindex } = await addVxlan();
      const results = await fixture.netlink.apply([
        { op: 'link-change', ifindex, change: { name: 'vx1' } },
        { op: 'link-features', ifindex, features: { 'no-such-feature': true } },
        { op: 'link-features', ifindex, features: { [CHECKSUM]: false } },
        { op: 'link-change', ifindex, change: { up: true } },
        { op: 'link-delete', ifindex },
        { op: 'link-features', ifindex, features: { [CHECKSUM]: true } },
      ]);
      assert.deepEqual(
        results.map(({ ok }) => ok),
        [true, false, true, true, true, false],
      );
    });

    it('a change is told to those who watch links', async () => {
      const { index: ifindex } = await addVxlan();
      const watch = await fixture.watch(['link']);
      await fixture.ok({ op: 'link-features', ifindex, features: { [CHECKSUM]: false } });
      const event = await watch.until('features changed', isFeatureChange);
      assert.equal(event.link.name, 'vx0');
      await fixture.ok({ op: 'link-change', ifindex, change: { up: true } });
      await watch.until('link up', (other): other is typeof event => other.type === 'link' && other.link.up);
      assert.equal(watch.events.filter(isFeatureChange).length, 1);
    });
  });
}

type LinkEvent = Extract<KernelEvent, { type: 'link' }>;

function isFeatureChange(event: KernelEvent): event is LinkEvent {
  return event.type === 'link' && event.featuresChanged === true;
}
