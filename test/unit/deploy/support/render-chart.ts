import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ApiObject, readObjects } from './api-objects';

export const root = resolve(__dirname, '../../../..');
export const chart = join(root, 'deploy/helm/tartan');

export interface Rendered {
  readonly objects: readonly ApiObject[];
  readonly error: string;
}

let renderer: string | undefined;

/** Helm's template engine, compiled once per test file. */
function builtRenderer(): string {
  if (renderer !== undefined) return renderer;
  const folder = mkdtempSync(join(tmpdir(), 'tartan-render-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const built = spawnSync('go', ['build', '-o', join(folder, 'render'), join(root, 'deploy/helm/render/main.go')], {
    encoding: 'utf8',
    env: {
      ...process.env,
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOFLAGS: '',
      GOCACHE: join(folder, 'cache'),
    },
  });
  if (built.status !== 0) throw new Error(`the chart renderer does not build: ${built.stderr || String(built.error)}`);
  renderer = join(folder, 'render');
  return renderer;
}

/** The chart with `values` over its own. */
export function renderChart(values: object = {}, names: { release?: string; namespace?: string } = {}): Rendered {
  const folder = mkdtempSync(join(tmpdir(), 'tartan-values-'));
  try {
    const file = join(folder, 'values.yaml');
    writeFileSync(file, JSON.stringify(values));
    const { release = 'tartan', namespace = 'tartan-system' } = names;
    const run = spawnSync(builtRenderer(), [chart, release, namespace, file], { encoding: 'utf8' });
    return { objects: run.status === 0 ? readObjects(run.stdout) : [], error: run.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
