import { bullets, code, page } from './page';

/** What the page tells of a metric. */
export interface MetricDescription {
  readonly name: string;
  readonly help: string;
  /** `counter`, `gauge`, `histogram`. */
  readonly type: string;
  readonly labels: readonly string[];
}

const INTRO = `Served as ${code('/metrics')} in the text format of Prometheus, on the address and port of ${code('--healthz-ip')} and
${code('--healthz-port')}. Names follow the conventions of Prometheus: base units, and ${code('_total')} for counters.`;

/** docs/metrics.md. */
export function renderMetricsPage(metrics: readonly MetricDescription[]): string {
  const sorted = [...metrics].sort((a, b) => (a.name < b.name ? -1 : 1));
  return page('Metrics', 'the registry in packages/daemon/src/metrics.ts', [INTRO, ...sorted.flatMap(metricBlocks)]);
}

function metricBlocks({ name, help, type, labels }: MetricDescription): string[] {
  const facts = [`Type: ${type}`, labels.length === 0 ? undefined : `Labels: ${labels.map(code).join(', ')}`];
  return [`## ${code(name)}`, /[.!?]$/.test(help) ? help : `${help}.`, bullets(facts)];
}
