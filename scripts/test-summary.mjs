// Adds up the rings' jest reports: names every skip, and ends with the one line that tells it all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, seconds] = process.argv.slice(2);
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));

const total = (member) => reports.reduce((sum, report) => sum + report[member], 0);
const broken = reports
  .flatMap((report) => report.testResults)
  .filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
for (const report of reports) {
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'pending' || test.status === 'todo') console.log(`SKIPPED: ${test.fullName}`);
      if (test.status === 'failed') console.log(`FAILED: ${test.fullName}`);
    }
  }
}
for (const file of broken) console.log(`FAILED to run: ${file.name}`);
const skipped = total('numPendingTests') + total('numTodoTests');
// On a continuous-integration machine everything that the tests need is there, or the set-up is wrong.
if (process.env.CI === 'true' && skipped > 0) {
  console.log(`CI=true: ${skipped} skipped counts as failure`);
  process.exitCode = 1;
}
console.log(`\nfinished in ${seconds} s`);
console.log(`${total('numPassedTests')} passed, ${total('numFailedTests') + broken.length} failed, ${skipped} skipped`);
