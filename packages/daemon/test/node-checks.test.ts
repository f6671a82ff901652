import { FakeClock } from '@tartan/core/testing';
import { watchedChecks } from './support/checks';

const never = new AbortController().signal;

test('the datastore and the network config are shown and do not count', () => {
  const { checks, readiness } = watchedChecks(new FakeClock());
  for (const check of [checks.interface, checks.backend, checks.lease, checks.subnetFile, checks.peers, checks.traffic])
    check.pass();
  expect(readiness.ready).toBe(false);
  checks.kernel.pass();
  checks.datastore.fail('etcd is away');
  checks.config.fail('not JSON');
  expect(readiness.ready).toBe(true);
});

test('a step that fails fails its check with the reason; one that was told to stop says nothing', async () => {
  const { checks, show } = watchedChecks(new FakeClock());
  const fail = (): never => {
    throw new Error('no such interface');
  };
  await expect(checks.guard('interface', never, fail)).rejects.toThrow('no such interface');
  expect(show('interface')).toBe('-no such interface');
  const stopped = new AbortController();
  stopped.abort();
  await expect(checks.guard('lease', stopped.signal, fail)).rejects.toThrow();
  expect(show('lease')).toBe('-none yet');
  expect(await checks.guard('lease', never, () => 42)).toBe(42);
});
