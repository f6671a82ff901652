import type { ApiActivity } from '@tartan/datastore-kube';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Where the counts come from; null without Kubernetes, and then all are 0. */
export interface KubeSource {
  activity: (() => Readonly<ApiActivity>) | null;
}

type Read = (activity: Readonly<ApiActivity>) => number | Readonly<Record<string, number>>;

/** What the daemon asks of the API server, and what it hears from it. Read at each scrape. */
export function createKubeMetrics(registry: Registry): KubeSource {
  const source: KubeSource = { activity: null };
  const registers = [registry];
  const counter = (name: string, help: string, read: Read, label?: string): void => {
    new Counter({
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
      collect() {
        this.reset();
        const found = source.activity ? read(source.activity()) : {};
        if (typeof found === 'number') this.inc(found);
        else if (label !== undefined)
          for (const [value, count] of Object.entries(found)) this.inc({ [label]: value }, count);
      },
    });
  };
  counter(
    'tartan_kube_lists_total',
    'Lists of all nodes; all but the first are caused by a watch that went too old',
    ({ lists }) => lists,
  );
  counter(
    'tartan_kube_watches_total',
    'Watches of nodes that were opened; servers end each within ten minutes',
    ({ watches }) => watches,
  );
  counter(
    'tartan_kube_expired_total',
    'Watches refused as too old (410 Gone), each followed by a list',
    ({ expired }) => expired,
  );
  counter(
    'tartan_kube_watch_events_total',
    'Events of the watch: changed a node for us, ignored (heartbeats), bookmark',
    ({ events }) => events,
    'kind',
  );
  counter(
    'tartan_kube_patches_total',
    'Writes to our own Node, by result: ok, conflict (repeated with the newer version), failed',
    ({ patches }) => patches,
    'result',
  );
  new Gauge({
    name: 'tartan_kube_last_event_timestamp_seconds',
    help: 'When the watch of nodes last brought anything, bookmarks included (servers send these each minute); 0 before',
    registers,
    collect() {
      this.set((source.activity?.().lastEventAt ?? 0) / 1_000);
    },
  });
  return source;
}
