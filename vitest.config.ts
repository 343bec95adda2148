import { defineConfig } from 'vitest/config';

/** A folder for JSON reports, beside what is shown to people. */
const reports = process.env.TORRENT_TS_REPORTS;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    ...(reports ? { reporters: ['default', 'json'], outputFile: { json: `${reports}/unit.json` } } : {}),
  },
});
