import { Lab, repositoryRoot } from '@tartan/lab';
import { join } from 'node:path';
import { PREFIX, converged, ourRoutes, podOf, subnetsOf, withCluster } from './support/cluster';

const MODULE = join(repositoryRoot, 'docs', 'examples', 'backend-via-gateway');

test('the backend of the documentation runs as a module: all traffic goes by the router, and pods reach each other', () =>
  withCluster(
    {
      hosts: 2,
      config: { Network: '10.5.0.0/16', Backend: { Type: 'via-gateway', Gateway: '192.168.50.254' } },
      daemon: { args: [`--backend-module=${MODULE}`] },
    },
    async ({ lab, etcd, hosts, daemons }) => {
      const [one, two] = hosts;
      for (const host of hosts) {
        const [subnet = ''] = await subnetsOf(host);
        await lab.switch.ip(`route add ${subnet} via ${host.ipv4}`);
        expect((await ourRoutes(host)).map(({ gateway }) => gateway)).toEqual(['192.168.50.254']);
      }
      await lab.switch.sysctl({ 'net.ipv4.ip_forward': 1 });
      expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
      const [other = ''] = await subnetsOf(two!);
      await one!.ip(`route del ${other}`);
      await converged(hosts);
      // Its own options are its own to refuse; what is in force stays.
      const broken = { Network: '10.5.0.0/16', Backend: { Type: 'via-gateway' } };
      await daemons[0]!.stop();
      await etcd.put(`${PREFIX}/config`, JSON.stringify(broken));
      await daemons[0]!.start();
      await daemons[0]!.process.waitForLog(/Backend\.Gateway is missing from the network config/);
      expect((await daemons[0]!.health()).status).toBe(503);
      expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
    },
  ));

test('a module that is not there, or that is no backend, is one clear line and status 2', async () => {
  const lab = await Lab.create();
  try {
    const [host] = await lab.addHosts(1);
    for (const [module, message] of [
      ['./no-such-backend', /BACKEND_MODULE_NOT_FOUND/],
      [join(MODULE, 'plan.js'), /BACKEND_MODULE_INVALID/],
    ] as const) {
      const daemon = await host!.startDaemon({ args: [`--backend-module=${module}`] });
      expect(await daemon.process.exited).toMatchObject({ code: 2 });
      expect(await daemon.process.log()).toMatch(message);
    }
  } finally {
    await lab.destroy();
  }
});
