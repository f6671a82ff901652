import { existsSync, readFileSync } from 'node:fs';
import { eventually, faults, Lab, LabError, onFailureDump, runCommand, withLab, type Pod } from '@tartan/lab';
import { itNeeds } from './support/it-needs';
import { staticOverlay } from './support/static-overlay';

describe('a lab of three hosts in two families', () => {
  let lab: Lab;
  let pods: Pod[];
  const check = (body: () => Promise<void>): (() => Promise<void>) => onFailureDump(() => lab, body);

  beforeAll(async () => {
    lab = await Lab.create({ underlayIpv6: 'fd50::/64' });
    await lab.addHosts(3);
    pods = await staticOverlay(lab, { ipv6: true });
  });
  afterAll(() => lab.destroy());

  it(
    'carries packets between the pods of all hosts',
    check(async () => {
      for (const from of pods) {
        for (const to of pods) {
          for (const address of to.addresses) expect([from.name, address, await from.reaches(address)]).toContain(true);
        }
      }
    }),
  );

  it(
    'gives pods the MTU of their subnet',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const fits = 1400 - 20 - 8; // IPv4 header, ICMP header
      expect(await a.reaches(b.ipv4, { payloadBytes: fits, dontFragment: true })).toBe(true);
      expect(await a.reaches(b.ipv4, { payloadBytes: fits + 1, dontFragment: true })).toBe(false);
    }),
  );

  itNeeds('nft')(
    'counts lost packets exactly',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const fault = await faults.drop(b, { match: 'udp dport 7000', oneIn: 10 });
      const stream = await lab.stream({ from: a, to: b, maxPackets: 500 });
      await eventually(() => !stream.running, { what: 'all packets are sent' });
      const report = await stream.stop();
      expect(await fault.dropped()).toBe(50);
      await fault.heal();
      expect(report).toMatchObject({ sent: 500, received: 450, lost: 50, duplicates: 0, sendErrors: 0 });
      expect(report.lostRuns.slice(0, 3)).toEqual([0, 10, 20].map((first) => ({ first, count: 1 })));
    }),
  );

  itNeeds('nft')(
    'tells a run of lost packets, and on which way it was lost',
    check(async () => {
      const [a, , c] = pods as [Pod, Pod, Pod];
      const fault = await faults.drop(a, { match: 'udp sport 7000', first: 30 });
      const stream = await lab.stream({ from: a, to: c, maxPackets: 200, echo: true, family: 6 });
      await eventually(() => !stream.running, { what: 'all packets are sent' });
      const report = await stream.stop();
      await fault.heal();
      expect(report).toMatchObject({ sent: 200, lost: 0, back: { received: 170, lost: 30 } });
      expect(report.back?.lostRuns).toEqual([{ first: 0, count: 30 }]);
    }),
  );

  it(
    'keeps up with 1,000 packets a second and loses none',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const stream = await lab.stream({ from: a, to: b, packetsPerSecond: 1000, maxPackets: 2000 });
      await eventually(() => !stream.running, { what: 'all packets are sent' });
      const report = await stream.stop();
      expect(report).toMatchObject({ sent: 2000, lost: 0, lostRuns: [] });
      expect(report.packetsPerSecond).toBeGreaterThan(900);
    }),
  );

  it(
    'counts what is sent without a route as lost',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      await a.ip('route del default');
      const stream = await lab.stream({ from: a, to: b, maxPackets: 20 });
      await eventually(() => !stream.running);
      expect(await stream.stop()).toMatchObject({ sent: 20, sendErrors: 20, received: 0, lost: 20 });
      await a.ip(`route add default via 10.42.1.1`);
    }),
  );

  itNeeds('tcpdump')(
    'captures what a filter lets through',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const host = lab.host('host2');
      const onCable = await host.capture({ ifname: 'eth0', filter: 'icmp' });
      const anywhere = await b.capture({ filter: 'ip' });
      await a.ping(b.ipv4, { count: 4 });
      await onCable.atLeast(8);
      expect(await onCable.lines('icmp[0] == 8')).toHaveLength(4);
      expect((await onCable.lines())[0]).toContain(`${a.ipv4} > ${b.ipv4}: ICMP echo request`);
      expect(await onCable.stop()).toEqual({ packets: 8, droppedByKernel: 0 });
      await anywhere.atLeast(8, { filter: 'icmp' });
      await anywhere.stop();
    }),
  );

  itNeeds('iperf3')(
    'measures throughput',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const result = await lab.throughput({ from: a, to: b, seconds: 1 });
      expect(result.bitsPerSecond).toBeGreaterThan(1e6);
      const udp = await lab.throughput({ from: a, to: b, seconds: 1, protocol: 'udp', bitrate: '1M', family: 6 });
      expect(udp).toMatchObject({ lostPercent: 0 });
    }),
  );

  it(
    'breaks and heals links',
    check(async () => {
      const [a, b] = pods as [Pod, Pod];
      const host = lab.host('host2');
      const reaches = (): Promise<boolean> => a.reaches(b.ipv4, { timeoutMs: 200 });
      const broken = async (): Promise<void> => expect(await reaches()).toBe(false);

      const partition = await faults.partition(host);
      await broken();
      await partition.heal();
      await eventually(reaches);

      const unplugged = await faults.unplug(host);
      await broken();
      expect(await host.ip('link show eth0')).toContain('NO-CARRIER');
      await unplugged.heal();
      await eventually(reaches);

      await faults.deleteRoute(lab.host('host1'), '10.42.2.0/24');
      await broken();
      await lab.host('host1').ip(`route add 10.42.2.0/24 via ${host.ipv4}`);
      await eventually(reaches);
    }),
  );

  it(
    'flaps and replaces interfaces',
    check(async () => {
      const host = lab.host('host3');
      const routes = async (): Promise<number> => (await host.ipJson<unknown[]>('route show via 192.168.50.1')).length;
      expect(await routes()).toBe(1);
      await faults.flapLink(host);
      expect(await routes()).toBe(0);
      await eventually(() => host.reaches(lab.host('host1').ipv6));
      const [before] = await host.ipJson<{ ifindex: number }[]>('link show eth0');
      await faults.replaceInterface(host);
      const [after] = await host.ipJson<{ ifindex: number }[]>('link show eth0');
      expect(after?.ifindex).not.toBe(before?.ifindex);
      await eventually(() => host.reaches(lab.host('host1').ipv4));
      expect(await host.ip('route show default')).toContain('via 192.168.50.254');
    }),
  );

  itNeeds('nft', 'iperf3')(
    'cuts a host off from one TCP port, silently or not',
    check(async () => {
      const [host1] = lab.hosts;
      const server = await lab.switch.start({ name: 'iperf3', argv: ['iperf3', '-s', '-p', '2379'] });
      const connects = async (): Promise<number | null> => {
        const argv = ['timeout', '0.3', 'bash', '-c', 'exec 3<>/dev/tcp/192.168.50.254/2379'];
        return (await host1!.run(argv, { allowFailure: true })).exitCode;
      };
      await eventually(async () => expect(await connects()).toBe(0));
      const silence = await faults.blockTcp(host1!, { port: 2379 });
      expect(await connects()).toBe(124);
      await silence.heal();
      expect(await connects()).toBe(0);
      const refusal = await faults.blockTcp(host1!, { port: 2379, address: '192.168.50.254', how: 'reset' });
      expect(await connects()).toBe(1);
      await refusal.heal();
      expect(await connects()).toBe(0);
      await server.kill();
    }),
  );

  it(
    'makes every host a machine of its own',
    check(async () => {
      const [one, two] = lab.hosts;
      const look = [
        'sh',
        '-c',
        'cat /proc/sys/kernel/hostname /etc/machine-id; ls /sys/class/net; echo x > /run/flannel/f',
      ];
      const seen = (await one!.runAsMachine(look)).stdout;
      expect(seen).toMatch(/^host1\n[0-9a-f]{32}\n/);
      expect(seen.split('\n').slice(2)).toEqual(expect.arrayContaining(['cni0', 'eth0', 'lo']));
      expect((await two!.runAsMachine(['cat', '/etc/machine-id'])).stdout).not.toBe(seen.split('\n')[1]);
      expect(existsSync(`${one!.directory}/run/flannel/f`)).toBe(true);
      expect(existsSync(`${two!.directory}/run/flannel/f`)).toBe(false);
    }),
  );

  it(
    'reports a failed command with its output, and a missing answer as such',
    check(async () => {
      const [host] = lab.hosts;
      await expect(host!.ip('route add 1.2.3.4/32 via 9.9.9.9')).rejects.toThrow(/exit code 2[^]*invalid gateway/);
      await expect(host!.run(['sleep', '5'], { timeoutMs: 50 })).rejects.toThrow('did not end within 50 ms');
      expect(await host!.ping('203.0.113.1', { count: 1, timeoutMs: 100 })).toMatchObject({ received: 0 });
      await expect(host!.ping('192.168.50.1', { count: 0 })).rejects.toThrow(LabError);
    }),
  );
});

describe('several labs', () => {
  it('live side by side with equal addresses', async () => {
    await withLab({}, (one) =>
      withLab({}, async (two) => {
        await Promise.all([one.addHosts(2), two.addHosts(2)]);
        await one.host('host2').ip('link set eth0 down');
        expect(await two.host('host1').reaches('192.168.50.2')).toBe(true);
        expect(await one.host('host1').reaches('192.168.50.2', { timeoutMs: 200 })).toBe(false);
      }),
    );
  });

  it('have hosts with several cards', async () => {
    await withLab({}, async (lab) => {
      const [a, b] = await lab.addHosts(2);
      const second = await lab.addSwitch({ name: 'second', mtuBytes: 9000 });
      await a!.addInterface({ ifname: 'eth1', switch: second, ipv4: '172.16.0.1/24', mtuBytes: 9000 });
      await b!.addInterface({ ifname: 'eth1', switch: second, ipv4: '172.16.0.2/24', mtuBytes: 9000 });
      expect(await a!.reaches('172.16.0.2', { payloadBytes: 8972, dontFragment: true })).toBe(true);
    });
  });
});

describe('a lab that is over', () => {
  const namespaces = async (): Promise<string[]> => {
    const { stdout } = await runCommand(['ip', 'netns', 'list']);
    return stdout.split('\n').filter((line) => line.startsWith(`${process.pid}-`));
  };

  it('leaves nothing, also when its body throws', async () => {
    const before = await namespaces();
    let lab: Lab | undefined;
    let pid = 0;
    const failing = withLab({}, async (made) => {
      lab = made;
      const host = await made.addHost({ name: 'host1' });
      const sleeper = await host.start({ name: 'sleep', argv: ['sh', '-c', 'setsid sleep 1000 & exec sleep 1000'] });
      await eventually(async () => {
        const { stdout } = await host.run(['ip', 'netns', 'pids', host.netns]);
        expect(stdout.trim().split('\n').length).toBeGreaterThan(1);
      });
      pid = sleeper.pid;
      throw new Error('the test failed');
    });
    const error = await failing.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).toMatch(/^the test failed\n\(state of the lab: (.+)\)$/);
    const dump = /lab: (.+)\)/.exec(error?.message ?? '')?.[1] ?? '';
    expect(readFileSync(dump, 'utf8')).toContain('===== host1 =====');
    await runCommand(['rm', dump]);
    expect(await namespaces()).toEqual(before);
    expect(existsSync(lab!.directory)).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('can be destroyed twice, and tells what it was never given', async () => {
    const lab = await Lab.create();
    expect(() => lab.host('host9')).toThrow('no host host9');
    await lab.destroy();
    await lab.destroy();
  });
});
