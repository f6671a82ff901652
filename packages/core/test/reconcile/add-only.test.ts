import { parseIpAddress, type KernelState, type Plan } from '@tartan/core';
import { MAC_A, MAC_B, host, planOf, route } from './support';
import { start, stopAll } from './running';

/* A plan from remembered peers: the kernel may know better, so nothing that is there is touched. */

const vxlan = {
  vni: 1,
  port: 8472,
  local: parseIpAddress('192.168.50.1'),
  lowerIfname: 'eth0',
  learning: false,
  gbp: false,
};
const device: Partial<KernelState> = {
  links: [{ name: 'flannel.1', kind: 'vxlan', mtuBytes: 1450, mac: MAC_A, up: true, vxlan }],
};

/** Peers 10.5.n.0/24 at 192.168.50.m with one MAC each. */
function planFor(peers: readonly (readonly [n: number, m: number])[], mac = MAC_B): Plan {
  const parts: Partial<KernelState> = {
    ...device,
    neighbours: peers.map(([n]) => ({ ifname: 'flannel.1', address: parseIpAddress(`10.5.${n}.0`), mac })),
    fdb: peers.slice(0, 1).map(([, m]) => ({ ifname: 'flannel.1', mac, dst: parseIpAddress(`192.168.50.${m}`) })),
    routes: peers.flatMap(([n, m]) => [
      route(`10.5.${n}.0/24 via 10.5.${n}.0 dev flannel.1 onlink`),
      route(`10.5.1${n}.0/24 via 192.168.50.${m} dev eth0`),
    ]),
  };
  return planOf(parts, { devices: ['flannel.1'] });
}

afterEach(stopAll);

it('makes everything where there is nothing, and does not call that a plan to compare the next one with', async () => {
  const kernel = host();
  const { advance, reconciler } = start(kernel, { ...planFor([[2, 2]]), addOnly: true });
  await advance(1_000);
  expect(reconciler.status().synced).toBe(true);
  const made = kernel.snapshot();
  expect(made.routes).toHaveLength(2);
  expect(made.neighbours).toHaveLength(1);
  expect(made.fdb).toHaveLength(1);
});

it('leaves what is there, also where it differs, until a complete plan comes', async () => {
  const kernel = host();
  const before = start(
    kernel,
    planFor([
      [2, 2],
      [3, 3],
    ]),
  );
  await before.advance(1_000);
  const present = kernel.snapshot();
  await before.stop();

  // The memory: peer 2 was elsewhere, peer 3 is not known, peer 4 has left meanwhile.
  const remembered = planFor([
    [2, 9],
    [4, 4],
  ]);
  const { advance, reconciler } = start(kernel, { ...remembered, addOnly: true });
  await advance(1_000);
  const during = kernel.snapshot();
  for (const kind of ['routes', 'neighbours', 'fdb'] as const)
    expect(during[kind]).toEqual(expect.arrayContaining([...present[kind]]));
  expect(during.routes).toHaveLength(present.routes.length + 2);
  expect(during.neighbours).toHaveLength(present.neighbours.length + 1);

  const complete = planFor([[2, 9]]);
  reconciler.setPlan(complete);
  await advance(1_000);
  const after = kernel.snapshot();
  expect(after.routes.join()).not.toMatch(/10\.5\.1?[34]\.0/);
  expect(after.routes.join()).toContain('192.168.50.9');
  expect(after.fdb.join()).toContain('192.168.50.9');
  expect(after.fdb.join()).not.toContain('192.168.50.2');
  expect(after.neighbours).toHaveLength(1);
});
