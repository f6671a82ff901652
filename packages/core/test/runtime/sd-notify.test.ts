import { ReadinessRegistry, SystemdNotifier, takeNotifyEnvironment, type NotifySender } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';

class RecordingSender implements NotifySender {
  readonly target = '/run/notify';
  readonly sent: string[] = [];
  failing = false;
  private gate: Promise<void> = Promise.resolve();
  open: () => void = () => undefined;

  /** Messages wait until open(). */
  hold(): void {
    this.gate = new Promise((resolve) => (this.open = resolve));
  }

  async send(state: string): Promise<void> {
    await this.gate;
    if (this.failing) throw new Error('nobody there');
    this.sent.push(state);
  }
}

let clock: FakeClock;
let logger: MemoryLogger;
let sender: RecordingSender;
let healthy: boolean;

beforeEach(() => {
  clock = new FakeClock();
  logger = new MemoryLogger();
  sender = new RecordingSender();
  healthy = true;
});

const notifier = (watchdogMs: number | null = null, to: NotifySender | null = sender): SystemdNotifier =>
  new SystemdNotifier({ sender: to, watchdogMs, healthy: () => healthy, clock, logger });

describe('takeNotifyEnvironment', () => {
  it('reads the variables and takes them away from programs we start', () => {
    const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42', PATH: '/bin' };
    expect(takeNotifyEnvironment(env, 42)).toEqual({ socket: '/run/systemd/notify', watchdogMs: 30_000 });
    expect(env).toEqual({ PATH: '/bin' });
  });

  it.each([
    ['nothing', {}, null, null],
    ['an abstract socket', { NOTIFY_SOCKET: '@/org/freedesktop/notify' }, '@/org/freedesktop/notify', null],
    ['a watchdog without its pid', { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '500000' }, '/n', 500],
    ['a watchdog of another process', { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '500000', WATCHDOG_PID: '43' }, '/n', null],
    ['a watchdog of nonsense', { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '0' }, '/n', null],
    ['a kind of socket that is not for us', { NOTIFY_SOCKET: 'vsock:2:1' }, null, null],
  ])('understands %s', (_name, env, socket, watchdogMs) => {
    expect(takeNotifyEnvironment(env, 42)).toEqual({ socket, watchdogMs });
  });
});

describe('readiness', () => {
  it('says READY=1 once, when ready, and STATUS= whenever it changes', async () => {
    const registry = new ReadinessRegistry({ clock, logger });
    const lease = registry.declare({ name: 'lease', waitingFor: 'none yet' });
    const notify = notifier();
    notify.follow(registry);
    await clock.advance(0);
    lease.pass();
    await clock.advance(0);
    lease.fail('lost');
    await clock.advance(0);
    lease.pass();
    await clock.advance(0);
    expect(sender.sent).toEqual([
      'STATUS=not ready: lease: none yet',
      'READY=1',
      'STATUS=ready',
      'STATUS=not ready: lease: lost',
      'STATUS=ready',
    ]);
  });

  it('tries READY=1 again until it arrives, with one line in the log', async () => {
    sender.failing = true;
    notifier().ready();
    await clock.advance(2_500);
    expect(logger.matching('cannot be told')).toHaveLength(1);
    sender.failing = false;
    await clock.advance(1_000);
    expect(sender.sent).toEqual(['READY=1']);
    expect(logger.matching('can be told again')).toHaveLength(1);
    expect(clock.timers).toBe(0);
  });
});

describe('status', () => {
  it('is one line, and only the last of those that wait is sent', async () => {
    sender.hold();
    const notify = notifier();
    notify.setStatus('first');
    notify.setStatus('second');
    notify.setStatus('third\nREADY=1');
    sender.open();
    await clock.advance(0);
    notify.setStatus('third READY=1');
    await clock.advance(0);
    expect(sender.sent).toEqual(['STATUS=third READY=1']);
  });
});

describe('watchdog', () => {
  it('beats at half of the interval', async () => {
    const notify = notifier(30_000);
    await clock.advance(45_000);
    expect(sender.sent).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
    await notify.stop();
    expect(clock.timers).toBe(0);
  });

  it('is withheld while unhealthy, with one line in the log', async () => {
    const notify = notifier(30_000);
    await clock.advance(0);
    healthy = false;
    await clock.advance(60_000);
    expect(sender.sent).toHaveLength(1);
    expect(logger.matching('watchdog message withheld')).toHaveLength(1);
    healthy = true;
    await clock.advance(15_000);
    expect(sender.sent).toHaveLength(2);
    await notify.stop();
  });

  it('does not beat when systemd did not ask', async () => {
    notifier(null);
    await clock.advance(60_000);
    expect(sender.sent).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});

describe('stop', () => {
  it('says STOPPING=1 last and then nothing', async () => {
    const registry = new ReadinessRegistry({ clock, logger });
    const lease = registry.declare({ name: 'lease', waitingFor: 'none' });
    const notify = notifier(30_000);
    notify.follow(registry);
    await notify.stop();
    await notify.stop();
    lease.pass();
    notify.ready();
    await clock.advance(60_000);
    expect(sender.sent).toEqual(['WATCHDOG=1', 'STATUS=not ready: lease: none', 'STOPPING=1\nSTATUS=stopping']);
  });

  it('ends the attempts to say READY=1', async () => {
    sender.failing = true;
    const notify = notifier();
    notify.ready();
    await clock.advance(0);
    expect(clock.timers).toBe(1);
    await notify.stop();
    expect(clock.timers).toBe(0);
  });

  it('resolves even when nobody listens', async () => {
    sender.failing = true;
    const notify = notifier();
    notify.ready();
    await expect(notify.stop()).resolves.toBeUndefined();
    expect(clock.timers).toBe(0);
  });
});

it('does nothing without a service manager', async () => {
  const notify = notifier(30_000, null);
  notify.ready();
  notify.setStatus('x');
  await notify.stop();
  expect([clock.timers, logger.lines]).toEqual([0, []]);
});
