import { Registry } from 'prom-client';
import { createTrafficMetrics } from '../../src';
import { parseInsertFailures, readInsertFailures } from '../../src/traffic/conntrack-stats';

/** /proc/net/stat/nf_conntrack of Linux 6.1, two processors. */
const STAT = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000002e  00000000 00000000 00000000 00000005 00000000 00000000 00000002 00000000 0000000a 00000000 00000000 00000000  00000000 00000000 00000000 00000000
0000002e  00000001 00000000 00000000 00000000 00000000 00000000 00000002 00000000 00000011 00000000 00000000 00000000  00000000 00000000 00000000 00000000
`;

describe('metrics of the traffic rules', () => {
  it('tell how often random ports would have been needed', async () => {
    expect(parseInsertFailures(STAT)).toBe(10 + 17);
    expect(parseInsertFailures('something else\n1 2\n')).toBeUndefined();
    const missing = (): string => {
      throw new Error('ENOENT');
    };
    expect(readInsertFailures(missing)).toBeUndefined();
    const registry = new Registry();
    let count: number | undefined = 5;
    createTrafficMetrics(registry, () => count);
    expect(await registry.metrics()).toContain('tartan_conntrack_insert_failures_total 5');
    count = 7;
    expect(await registry.metrics()).toContain('tartan_conntrack_insert_failures_total 7');
    count = undefined;
    expect(await registry.metrics()).toContain('tartan_conntrack_insert_failures_total 7');
  });

  it('count what was written and why, what was run, and what was found', async () => {
    const registry = new Registry();
    const metrics = createTrafficMetrics(registry, () => undefined);
    metrics.written(6, 'masquerade', 'drift');
    metrics.command('nft', '0');
    metrics.pass('event', 0.01, false);
    metrics.inForce(true);
    metrics.findings([{ severity: 'error', code: 'IP_FORWARD_OFF', subject: 'x', message: 'y' }]);
    const text = await registry.metrics();
    for (const line of [
      'tartan_traffic_writes_total{family="ipv6",chain="masquerade",reason="drift"} 1',
      'tartan_traffic_commands_total{program="nft",result="0"} 1',
      'tartan_traffic_passes_total{trigger="event",result="error"} 1',
      'tartan_traffic_rules_in_force 1',
      'tartan_traffic_findings{code="IP_FORWARD_OFF",severity="error"} 1',
    ]) {
      expect(text).toContain(line);
    }
    metrics.findings([]);
    expect(await registry.metrics()).not.toContain('IP_FORWARD_OFF');
  });
});
