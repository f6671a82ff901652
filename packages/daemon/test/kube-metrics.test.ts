import { Registry } from 'prom-client';
import { createKubeMetrics } from '../src/kube-metrics';

const activity = {
  server: 'https://10.0.0.1:6443',
  lastEventAt: 1_700_000_000_500,
  lists: 2,
  watches: 3,
  expired: 1,
  events: { changed: 4, ignored: 5, bookmark: 6 },
  patches: { ok: 7, conflict: 8, failed: 9 },
};

test('what the API client counts is read at each scrape, and never added twice', async () => {
  const registry = new Registry();
  const source = createKubeMetrics(registry);
  const scrape = async (): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  // Without Kubernetes.
  expect((await scrape()).every((line) => line.endsWith(' 0'))).toBe(true);
  source.activity = () => activity;
  await scrape();
  expect((await scrape()).sort()).toEqual([
    'tartan_kube_expired_total 1',
    'tartan_kube_last_event_timestamp_seconds 1700000000.5',
    'tartan_kube_lists_total 2',
    'tartan_kube_patches_total{result="conflict"} 8',
    'tartan_kube_patches_total{result="failed"} 9',
    'tartan_kube_patches_total{result="ok"} 7',
    'tartan_kube_watch_events_total{kind="bookmark"} 6',
    'tartan_kube_watch_events_total{kind="changed"} 4',
    'tartan_kube_watch_events_total{kind="ignored"} 5',
    'tartan_kube_watches_total 3',
  ]);
});
