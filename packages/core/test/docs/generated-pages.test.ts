import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { renderErrorsPage, renderMetricsPage, renderOptionsPage, type MetricDescription } from '../../src/docs';

const root = resolve(__dirname, '../../../..');
const registry = resolve(root, 'packages/daemon/src/metrics.ts');

function committed(path: string): string {
  return readFileSync(resolve(root, path), 'utf8');
}

/** A failure means: run `npm run build` and commit the page. */
describe('generated pages', () => {
  it('docs/options.md is what the option table says', () => {
    expect(committed('docs/options.md')).toBe(renderOptionsPage());
  });

  it('docs/errors.md is what the error table says', () => {
    expect(committed('docs/errors.md')).toBe(renderErrorsPage());
  });

  it('docs/metrics.md is what the metrics registry says', () => {
    if (!existsSync(registry)) return;
    const { allMetrics } = jest.requireActual<{ allMetrics?: () => MetricDescription[] }>(registry);
    if (allMetrics) expect(committed('docs/metrics.md')).toBe(renderMetricsPage(allMetrics()));
  });

  it('hold no machine names, and end their lines without blanks', () => {
    const text = renderOptionsPage() + renderErrorsPage();
    expect(text).not.toMatch(/[ \t]$/m);
    expect(text).not.toMatch(/\bundefined\b/);
  });

  it('describe a metric with its labels', () => {
    const text = renderMetricsPage([{ name: 'b_total', help: 'Bs', type: 'counter', labels: ['kind'] }]);
    expect(text).toContain('## `b_total`\n\nBs.\n\n- Type: counter\n- Labels: `kind`\n');
  });
});
