import { parseIpAddress, type KernelOp, type Plan } from '@tartan/core';
import { MAC_A, MAC_B, host, planOf, route } from './support';
import { start, stopAll } from './running';

const CHECKSUM = 'tx-checksum-ip-generic';

/** A plan with one tunnel that asks for `features`, and one peer behind it. */
function planWith(features?: Readonly<Record<string, boolean>>): Plan {
  const vxlan = {
    vni: 1,
    port: 8472,
    local: parseIpAddress('192.168.50.1'),
    lowerIfname: 'eth0',
    learning: false,
    gbp: false,
  };
  return planOf(
    {
      links: [{ name: 'flannel.1', kind: 'vxlan', mac: MAC_A, up: true, vxlan, ...(features && { features }) }],
      neighbours: [{ ifname: 'flannel.1', address: parseIpAddress('10.5.2.0'), mac: MAC_B }],
      fdb: [{ ifname: 'flannel.1', mac: MAC_B, dst: parseIpAddress('192.168.50.2') }],
      routes: [route('10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink')],
    },
    { devices: ['flannel.1'] },
  );
}

const off = planWith({ [CHECKSUM]: false });
const names = (ops: readonly KernelOp[]): string[] => ops.map(({ op }) => op);

afterEach(stopAll);

describe('features of a device', () => {
  it('are set when the device is made, before anything is put on it', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, off);
    await advance(1_000);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    expect(names(kernel.appliedOps()).slice(0, 2)).toEqual(['link-create', 'link-features']);
    expect(kernel.appliedOps()[0]).not.toHaveProperty('link.features');
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
  });

  it('are set on a device that is there already, without another change to it', async () => {
    const kernel = host();
    const first = start(kernel, planWith());
    await first.advance(1_000);
    await first.stop();
    kernel.clearRecord();
    await start(kernel, off).advance(1_000);
    expect(names(kernel.appliedOps())).toEqual(['link-features']);
  });

  it('are neither read nor set where the plan names none', async () => {
    const kernel = host();
    const { advance } = start(kernel, planWith());
    await advance(100_000);
    kernel.setFeature('flannel.1', CHECKSUM, false);
    await advance(100_000);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    expect(kernel.count('list-link-features')).toBe(0);
  });

  it('are put right at once when somebody changes them, and counted', async () => {
    const kernel = host();
    const { advance, metric } = start(kernel, off);
    await advance(1_000);
    kernel.setFeature('flannel.1', CHECKSUM, true);
    await advance(100);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    expect(await metric('tartan_repairs_total', { kind: 'feature' })).toBe(1);
    expect(await metric('tartan_repairs_total')).toBe(1);
  });

  it('are put right by the next full pass when the notification was lost', async () => {
    const kernel = host();
    const { advance } = start(kernel, off);
    await advance(1_000);
    kernel.holdEvents();
    kernel.setFeature('flannel.1', CHECKSUM, true);
    await advance(40_000);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
  });

  it('are set again on a device that was made anew, which counts for no fight over them', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, off);
    await advance(1_000);
    for (let round = 0; round < 5; round++) {
      kernel.removeLink('flannel.1');
      await advance(100);
      expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    }
    kernel.setFeature('flannel.1', CHECKSUM, true);
    await advance(100);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    expect(codes()).toEqual([]);
  });

  it('follow the plan when it changes', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, planWith());
    await advance(1_000);
    reconciler.setPlan(off);
    await advance(100);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    reconciler.setPlan(planWith({ [CHECKSUM]: true }));
    await advance(100);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('on');
  });

  it('somebody who changes them again and again is a fight', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, off);
    await advance(1_000);
    for (let round = 0; round < 8; round++) {
      kernel.setFeature('flannel.1', CHECKSUM, true);
      await advance(100);
    }
    expect(codes()).toEqual(['FIGHT']);
  });
});

describe('features that cannot be had', () => {
  it.each([
    ['fixed by the driver', { 'tx-checksum-ipv4': true }, 'its driver has it fixed'],
    ['unknown to the kernel', { 'tx-warp': false }, 'this kernel knows no such feature'],
    [
      'held back by another',
      { [CHECKSUM]: false, 'tx-tcp-segmentation': true },
      'another feature that it depends on stands in the way',
    ],
  ])('%s: a finding, and everything else works', async (_, features, reason) => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, planWith(features));
    await advance(100_000);
    const { synced, findings } = reconciler.status();
    expect({ synced, findings }).toMatchObject({
      synced: true,
      findings: [{ severity: 'warning', code: 'LINK_FEATURE_UNAVAILABLE' }],
    });
    expect(findings[0]?.message).toContain(reason);
    expect(kernel.routesTo('10.5.2.0/24')).toHaveLength(1);
  });

  it('a kernel without the interface: a finding with the command, no retries', async () => {
    const kernel = host();
    kernel.failWhen(({ op }) => op === 'list-link-features', 'EOPNOTSUPP');
    const { advance, reconciler } = start(kernel, off);
    await advance(20_000);
    expect(reconciler.status()).toMatchObject({
      synced: true,
      findings: [
        {
          code: 'LINK_FEATURES_UNSUPPORTED',
          cure: expect.stringContaining(`ethtool -K flannel.1 ${CHECKSUM} off`) as string,
        },
      ],
    });
    expect(kernel.count('list-link-features')).toBeLessThanOrEqual(2);
    expect(kernel.routesTo('10.5.2.0/24')).toHaveLength(1);
  });

  it.each([
    ['reading', 'list-link-features'],
    ['setting', 'link-features'],
  ] as const)('%s is refused for a while: tried again, and nothing else waits for it', async (_, op) => {
    const kernel = host();
    kernel.failNext(op, 'EPERM', { times: 2 });
    const { advance, codes, reconciler } = start(kernel, off);
    await advance();
    expect(codes()).toEqual(['KERNEL_REFUSED']);
    expect(kernel.routesTo('10.5.2.0/24')).toHaveLength(1);
    await advance(5_000);
    expect(kernel.feature('flannel.1', CHECKSUM)).toBe('off');
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
  });

  it('a device that vanished meanwhile is no failure', async () => {
    const kernel = host();
    kernel.failNext('list-link-features', 'ENODEV');
    const { advance, codes } = start(kernel, off);
    await advance();
    expect(codes()).toEqual([]);
  });
});
