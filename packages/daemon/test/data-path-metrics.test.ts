import type { DataPathStatus } from '@tartan/core';
import { Registry } from 'prom-client';
import { createDataPathMetrics } from '../src/data-path-metrics';

const status: DataPathStatus = {
  name: 'packet loop',
  running: true,
  features: [
    { name: 'udpGro', on: true },
    { name: 'tunUso', on: false, reason: 'EINVAL from TUNSETOFFLOAD' },
  ],
  counters: {
    txPackets: 5n,
    txBytes: 500n,
    rxPackets: 7n,
    rxBytes: 700n,
    operations: { udpSends: 2n },
    drops: { 'no-route': 3n },
  },
};
const bypass: NonNullable<DataPathStatus['bypass']> = {
  name: 'kernel path',
  peers: ['10.5.2.0/24', '10.5.3.0/24'],
  ...{ txPackets: 11n, txBytes: 1100n, rxPackets: 12n, rxBytes: 1200n },
  left: { 'tx-ttl': 13n },
  drops: { forged: 14n },
};

test('what the data path counts is read at each scrape, and never added twice', async () => {
  const registry = new Registry();
  const source = createDataPathMetrics(registry);
  expect(await registry.metrics()).not.toContain('direction');
  source.status = () => status;
  await registry.metrics();
  const text = await registry.metrics();
  expect(text).toContain('tartan_data_path_packets_total{direction="rx"} 7');
  expect(text).toContain('tartan_data_path_bytes_total{direction="tx"} 500');
  expect(text).toContain('tartan_data_path_drops_total{cause="no-route"} 3');
  expect(text).toContain('tartan_data_path_operations_total{operation="udpSends"} 2');
  expect(text).toContain('tartan_data_path_feature{feature="tunUso"} 0');
  source.status = () => null;
  expect(await registry.metrics()).not.toContain('direction');
});

test('what goes past it is counted apart', async () => {
  const registry = new Registry();
  const source = createDataPathMetrics(registry);
  source.status = () => status;
  expect(await registry.metrics()).not.toContain('bypass_packets_total{');
  source.status = () => ({ ...status, bypass });
  const text = await registry.metrics();
  expect(text).toContain('tartan_data_path_bypass_packets_total{direction="tx"} 11');
  expect(text).toContain('tartan_data_path_bypass_bytes_total{direction="rx"} 1200');
  expect(text).toContain('tartan_data_path_bypass_left_total{cause="tx-ttl"} 13');
  expect(text).toContain('tartan_data_path_bypass_drops_total{cause="forged"} 14');
  expect(text).toContain('tartan_data_path_bypass_peers 2');
  expect(text).toContain('tartan_data_path_packets_total{direction="rx"} 7');
});
