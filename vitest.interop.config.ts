import { defineConfig } from 'vitest/config';

/** A folder for JSON reports, beside what is shown to people. */
const reports = process.env.TORRENT_TS_REPORTS;

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    // Real clients share two cores with us and measure time: one file after the other.
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    ...(reports
      ? { reporters: ['verbose', 'json'], outputFile: { json: `${reports}/interop.json` } }
      : { reporters: ['verbose'] }),
  },
});
