import { eventually, Lab, type LabDaemon } from '@tartan/lab';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOST_GW, converged, podOf, subnetsOf } from './support/cluster';

/* Clusters without etcd: one file that an administrator writes, and a directory that the hosts share. */

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.addHosts(3);
});
afterAll(() => lab.destroy());

const file = (name: string): string => join(lab.directory, name);

/** As an editor or a configuration tool replaces a file. */
function replace(path: string, content: object): void {
  writeFileSync(`${path}.new`, JSON.stringify(content));
  renameSync(`${path}.new`, path);
}

async function stopped(daemons: readonly LabDaemon[]): Promise<void> {
  for (const exit of await Promise.all(daemons.map((daemon) => daemon.stop()))) expect(exit.code).toBe(0);
}

test('a nodes file: every host finds its subnet, one that is added joins, one that is not listed is told', async () => {
  const path = file('nodes.json');
  const nodes = lab.hosts.map((host, index) => ({
    name: host.name,
    publicIP: host.ipv4,
    subnet: `10.5.${index + 1}.0/24`,
  }));
  replace(path, { network: HOST_GW, nodes: nodes.slice(0, 2) });
  const daemons = await Promise.all(lab.hosts.map((host) => host.startDaemon({ datastore: `file:${path}` })));
  await Promise.all(daemons.slice(0, 2).map((daemon) => daemon.waitUntilReady()));
  const [one, two, three] = lab.hosts;
  expect(await Promise.all([one!, two!].map(subnetsOf))).toEqual([['10.5.1.0/24'], ['10.5.2.0/24']]);
  await converged([one!, two!]);
  await Promise.all([one!, two!].map((host) => host.addPod()));
  expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);

  await daemons[2]!.process.waitForLog(/no lease is assigned to this node/);
  replace(path, { network: HOST_GW, nodes });
  await daemons[2]!.waitUntilReady();
  await converged(lab.hosts);
  // Not JSON is an outage, not an empty list.
  writeFileSync(path, '{"network":');
  await daemons[0]!.process.waitForLog(/datastore unusable/);
  await converged(lab.hosts);
  expect((await daemons[0]!.health()).status).toBe(200);
  replace(path, { network: HOST_GW, nodes: nodes.slice(0, 2) });
  await converged([one!, two!]);
  await stopped(daemons);
  await three!.run(['rm', '-f', three!.subnetFile]);
});

test('a shared directory: hosts take subnets by themselves, one that leaves is forgotten, one that returns has its old place', async () => {
  const directory = file('shared');
  mkdirSync(directory);
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ ...HOST_GW, Network: '10.6.0.0/16' }));
  const [one, two] = lab.hosts;
  const daemons = await Promise.all([one!, two!].map((host) => host.startDaemon({ datastore: `file:${directory}` })));
  await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
  await converged([one!, two!]);
  const before = await subnetsOf(two!);
  expect(before[0]).toMatch(/^10\.6\./);
  await daemons[1]!.stop();
  await two!.run(['rm', '-f', two!.subnetFile]);
  await daemons[1]!.start();
  await daemons[1]!.waitUntilReady();
  expect(await subnetsOf(two!)).toEqual(before);
  // An administrator takes an entry away; its owner, still alive, puts it back.
  await two!.run(['sh', '-c', `rm ${directory}/${before[0]!.replace('/', '-')}.json`]);
  await eventually(() => two!.run(['test', '-e', `${directory}/${before[0]!.replace('/', '-')}.json`]), {
    what: 'the entry is back',
  });
  await converged([one!, two!]);
  await stopped(daemons);
});
