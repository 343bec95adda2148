import { parentPort, workerData } from 'node:worker_threads';
import { DiskFaults } from './disk-faults.ts';
import type { SharedFaults } from './disk-faults.ts';
import type { DiskJob } from './disk-jobs.ts';
import { DiskTasks } from './disk-tasks.ts';
import { OpenFiles } from './open-files.ts';

/**
 * The thread that hashes and touches the files. A message is a batch of jobs, the answer the batch of their answers in
 * the same order; pieces lie in shared memory. The first message, without answers, says that it has started.
 */

const { openFilesMax, faults } = workerData as { openFilesMax: number; faults: SharedFaults | null };
const port = parentPort!;
const diskFaults = faults ? new DiskFaults(faults) : null;
const tasks = new DiskTasks(new OpenFiles(openFilesMax, diskFaults), diskFaults);

port.on('message', (jobs: readonly DiskJob[]) => {
  port.postMessage(jobs.map((job) => tasks.run(job)));
});
port.postMessage([]);
