// Writes the pages that come from tables in the code: docs/options.md, docs/errors.md, docs/metrics.md. Run it after `tsc -b`.
// With --check it writes nothing and ends with 1 when a page is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = new URL('..', import.meta.url);
const compiled = (path) => fileURLToPath(new URL(path, root));

function* pages() {
  const docs = require(compiled('packages/core/dist/docs/index.js'));
  yield ['docs/options.md', docs.renderOptionsPage()];
  yield ['docs/errors.md', docs.renderErrorsPage()];
  const registry = compiled('packages/daemon/dist/metrics.js');
  const { allMetrics } = existsSync(registry) ? require(registry) : {};
  if (allMetrics) yield ['docs/metrics.md', docs.renderMetricsPage(allMetrics())];
}

function present(path) {
  return existsSync(new URL(path, root)) ? readFileSync(new URL(path, root), 'utf8') : undefined;
}

const check = process.argv.includes('--check');
for (const [path, text] of pages()) {
  if (present(path) === text) continue;
  if (check) {
    console.error(`${path} is stale: run "npm run build"`);
    process.exitCode = 1;
  } else {
    writeFileSync(new URL(path, root), text);
    console.log(`${path} written`);
  }
}
