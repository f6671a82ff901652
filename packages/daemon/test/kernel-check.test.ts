import type { Finding, ReconcilerStatus } from '@tartan/core';
import { judgeKernel } from '../src/kernel-check';

const finding = (code: string, severity: Finding['severity'] = 'error'): Finding => ({
  severity,
  code,
  subject: 'eth0',
  message: 'no',
});

function status(desired: number, programmed: number, codes: Finding[] = [], firstPassDone = true): ReconcilerStatus {
  const routes = { desired, programmed, waiting: 0, blocked: 0, failed: desired - programmed };
  return { firstPassDone, synced: false, lastPass: null, passes: 1, routes, findings: codes };
}

test.each<[string, ReconcilerStatus, boolean]>([
  ['nothing was programmed yet', status(0, 0, [], false), false],
  ['all routes stand', status(3, 3), true],
  ['there are no peers', status(0, 0), true],
  ['one peer cannot be reached', status(3, 2, [finding('ROUTE_CONFLICT')]), true],
  ['no route could be made', status(3, 0, [finding('KERNEL_REFUSED')]), false],
  ['the interface is away and there are no peers', status(0, 0, [finding('INTERFACE_MISSING')]), false],
  ['the kernel refuses the device and there are no peers', status(0, 0, [finding('KERNEL_REFUSED')]), false],
  ['there is something to know and no peers', status(0, 0, [finding('KERNEL_REFUSED', 'warning')]), true],
  ['the kernel cannot be read', status(3, 3, [finding('PASS_FAILED')]), false],
])('%s', (_, given, ok) => {
  expect(judgeKernel(given).ok).toBe(ok);
});

test('the message counts, names the first trouble and how many more there are', () => {
  expect(judgeKernel(status(3, 3)).message).toBe('3 of 3 routes');
  expect(judgeKernel(status(3, 2, [finding('A'), finding('B'), finding('C', 'info')])).message).toBe(
    '2 of 3 routes; eth0: no (and 1 more)',
  );
});

test('a data path that does not run is not being ready, a plan that waits is only told', () => {
  expect(judgeKernel(status(3, 3), { problem: 'no loop', carries: false })).toEqual({
    ok: false,
    message: 'no loop; 3 of 3 routes',
  });
  expect(judgeKernel(status(3, 3), { problem: 'no plan', carries: true })).toEqual({
    ok: true,
    message: 'no plan; 3 of 3 routes',
  });
});
