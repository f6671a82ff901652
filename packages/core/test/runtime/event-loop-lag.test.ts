import { EventLoopLag, systemClock } from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it('sees a blocked event loop, and forgets it after two windows', async () => {
  const clock = new FakeClock();
  const lag = new EventLoopLag({ clock, windowMs: 1_000 });
  expect(lag.read()).toEqual({ meanMs: 0, p99Ms: 0, maxMs: 0 });
  lag.start();
  try {
    await systemClock.sleep(250);
    block(350);
    await systemClock.sleep(250);
    expect(lag.read().maxMs).toBeGreaterThan(200);
    await clock.advance(1_000);
    expect(lag.read().maxMs).toBeGreaterThan(200);
    await clock.advance(1_000);
    expect(lag.read().maxMs).toBeLessThan(200);
  } finally {
    lag.stop();
  }
  expect(clock.timers).toBe(0);
});
