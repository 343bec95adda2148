// sum-reports.js REPORT...: adds up vitest's JSON reports in one line and exits 1 if anything failed. A report that is
// missing is a failure, and so is a file that failed to load, because its tests are counted nowhere.
import { readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of process.argv.slice(2)) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.error(`no report: ${error.message}`);
    failed += 1;
    continue;
  }
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  passed += report.numPassedTests;
  failed += report.numFailedTests + unloaded;
  skipped += report.numPendingTests + report.numTodoTests;
  // Errors outside of any test.
  if (!report.success && report.numFailedTests + unloaded === 0) failed += 1;
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
