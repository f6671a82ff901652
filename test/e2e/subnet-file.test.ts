import { eventually } from '@tartan/lab';
import { podOf, withCluster } from './support/cluster';

test('a directory that cannot be written: unready with the reason, forwarding, and ready as soon as it can be', () =>
  withCluster({ hosts: 2 }, async ({ hosts, daemons }) => {
    const [one, two] = hosts;
    await daemons[0]!.stop();
    const directory = `${one!.directory}/read-only`;
    await one!.run(['sh', '-ec', `mkdir ${directory}; mount -t tmpfs -o ro tmpfs ${directory}`]);
    const daemon = await one!.startDaemon({ subnetFile: `${directory}/subnet.env` });
    await daemon.process.waitForLog(/subnet file cannot be written, trying on .*EROFS/);
    const { status, body } = await eventually(
      async () => {
        const answer = await daemon.health('/readyz?verbose');
        return answer.body.includes('[+]kernel') && answer;
      },
      { what: 'everything else is ready' },
    );
    expect(status).toBe(503);
    expect(body).toMatch(/\[-\]subnet-file cannot write .*EROFS/);
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
    // The mount as the daemon sees it, in its own namespace.
    await one!.run([
      'nsenter',
      '--mount',
      '--target',
      String(daemon.process.pid),
      'mount',
      '-o',
      'remount,rw',
      directory,
    ]);
    await daemon.waitUntilReady();
    await daemon.stop();
    await one!.run(['umount', directory]);
  }));
