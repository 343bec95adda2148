// Loaded into a process with --import: writes at its end how late its event loop was and how long it collected garbage,
// to the file that TORRENT_TS_PROBE names. Looks every 5 ms, which costs nothing that can be measured, without the first 0.3 s, which load the program.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers';
import { isMainThread } from 'node:worker_threads';

const path = process.env.TORRENT_TS_PROBE;
if (path && isMainThread) {
  const RESOLUTION_MS = 5;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let gcMs = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) gcMs += entry.duration;
  }).observe({ entryTypes: ['gc'] });
  delay.enable();
  setTimeout(() => delay.reset(), 300).unref();
  process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    writeFileSync(
      path,
      JSON.stringify({
        loopP99Ms: late(delay.percentile(99)),
        loopMaxMs: late(delay.max),
        gcShare: gcMs / ((user + system) / 1000),
        loopBusy: performance.eventLoopUtilization().utilization,
      }),
    );
  });
}
