import { eventually, Lab } from '@tartan/lab';
import { HOST_GW, PREFIX } from './support/cluster';
import { ServiceManager } from './support/service-manager';

const WATCHDOG_MS = 1_500;

test('systemd hears: alive from the start, READY only when ready, no beat while the process is stopped, STOPPING first', async () => {
  const lab = await Lab.create();
  try {
    const etcd = await lab.startEtcd();
    const [host] = await lab.addHosts(1);
    const manager = await ServiceManager.start(host!);
    const daemon = await host!.startDaemon({
      env: { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: String(WATCHDOG_MS * 1_000) },
    });
    // Without a config it is not ready, and says what it waits for; but it is alive.
    await eventually(() => manager.beats.length >= 3, { what: 'three beats of the watchdog' });
    await eventually(() => manager.states.some((text) => text.startsWith('STATUS=not ready: ')), { what: 'a status' });
    expect(manager.states.some((text) => text.includes('READY=1'))).toBe(false);
    const gaps = manager.beats.slice(1).map(({ at }, index) => at - manager.beats[index]!.at);
    expect(gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)]).toBeLessThan(WATCHDOG_MS);
    expect(manager.notices.every(({ pid }) => pid === daemon.process.pid)).toBe(true);

    await etcd.put(`${PREFIX}/config`, JSON.stringify(HOST_GW));
    await eventually(() => manager.states.includes('READY=1'), { what: 'READY=1' });
    expect((await daemon.health()).status).toBe(200);
    await eventually(() => manager.states.at(-1) === 'STATUS=ready', { what: 'the status says ready' });

    daemon.process.pause();
    const before = manager.beats.length;
    const silence = host!.start({ name: 'silence', argv: ['sleep', String((3 * WATCHDOG_MS) / 1_000)] });
    await (
      await silence
    ).exited;
    expect(manager.beats.length).toBeLessThanOrEqual(before + 1);
    daemon.process.resume();
    await eventually(() => manager.beats.length > before + 1, { what: 'it beats again' });

    await daemon.stop();
    const last = manager.notices.findIndex(({ text }) => text.startsWith('STOPPING=1'));
    expect(last).toBeGreaterThan(0);
    expect(manager.notices.slice(last + 1)).toEqual([]);
    expect(manager.states.filter((text) => text === 'READY=1')).toHaveLength(1);
  } finally {
    await lab.destroy();
  }
});
