import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { StorageError } from '../errors.ts';
import { Queue } from '../util/queue.ts';
import { SHARED_GARBAGE_MAX } from '../util/shared-garbage.ts';
import type { DiskFaults } from './disk-faults.ts';
import type { DiskAnswer, DiskJob, DiskResults, DiskSpan } from './disk-jobs.ts';
import { fromFailure, isShortOfFiles } from './storage-errors.ts';
import type { StorageFailure } from './storage-errors.ts';
import { workerUrl } from './worker-url.ts';

export type { DiskSpan } from './disk-jobs.ts';

export interface DiskPoolOptions {
  /** Worker threads at most. Default: the cores but one, which the network has, and at most 4. */
  threads?: number;
  /** Files kept open over all threads. Default: 128. */
  openFilesMax?: number;
  /** Failures on demand, for tests. */
  faults?: DiskFaults;
}

/** More threads than this only contend for one disk. */
const THREADS_MAX = 4;
/** Well below the 256 descriptors that macOS grants by default, with room for 100 sockets. */
const OPEN_FILES_MAX = 128;
/** A batch is posted as one message: many small pieces, or one large one. */
const BATCH_BYTES = 1_048_576;
const BATCH_JOBS = 64;
/**
 * Pieces to write that wait for a busy worker travel in larger ones: a message for each MiB, and the turn of the event
 * loop that its answer is, cost a download 3 % of its CPU time.
 */
const WRITE_BATCH_BYTES = 4_194_304;
/**
 * Looking at a file, or reading a record, takes as long as hashing so many bytes: not in the worker, but afterwards, where
 * a torrent begins with the answer. All answers of a batch come in one turn of the event loop, and these are worth a millisecond.
 */
const SURVEYED_FILE_BYTES = 131_072;
/** A sync takes seconds on a busy disk, and two at once share what it waits for. */
const SYNC_THREADS = 2;
/** One batch to work on and one to go on with, so that a worker never waits for the main thread. */
const BATCHES_IN_WORKER = 2;
/** A job that two workers died of is the cause. */
const ATTEMPTS_MAX = 2;
/** Each time the files kept open are halved: after this many, all are closed, and the descriptors are elsewhere. */
const SHRINKS_MAX = 8;
/**
 * What did not help once waits so long before it is tried again, longer each time: mostly it is
 * sockets that took the descriptors, for a moment, and files that were closed in vain stay closed.
 */
const SHORTAGE_WAIT_MS = 50;

interface Task {
  readonly job: DiskJob;
  readonly done: (answer: DiskAnswer) => void;
  attempts: number;
  shrinks: number;
}

interface DiskThread {
  readonly worker: Worker;
  /** Batches sent and not answered, oldest first. */
  readonly batches: Task[][];
  /** Memory of pieces that it was shown: it holds on to it until it collects garbage. */
  readonly shown: WeakSet<ArrayBufferLike>;
  /** Shown since it was told to do so. */
  shownBytes: number;
  cause: unknown;
  /** Gets work. One that cannot even start, where descriptors are short, takes the work it was given with it. */
  isReady: boolean;
}

/**
 * Threads that hash and touch files, so that the network thread does neither. Started when needed; an idle pool
 * does not keep the process alive, one with work does.
 *
 * Jobs start in the order they came and may finish in any. A worker that dies is replaced and its jobs are done once
 * more.
 */
export class DiskPool {
  readonly threads: number;
  readonly openFilesMax: number;
  readonly faults: DiskFaults | null;
  readonly #workers: DiskThread[] = [];
  #threadsMax: number;
  readonly #queue = new Queue<Task>();
  #isDispatching = false;
  #isClosed = false;
  /** Tasks that wait for descriptors. */
  #held: Task[] = [];
  readonly #releasing: { readonly tops: readonly string[]; readonly done: () => void }[] = [];
  #onIdle: (() => void)[] = [];
  readonly #onShrink: ((done: () => void) => void)[] = [];
  /** Who waits for the shrink under way. */
  readonly #shrinking: (() => void)[] = [];
  /** Does the syncs, behind which pieces would wait here. Thousands of small files would also keep libuv's threads busy. */
  #syncs: DiskPool | null = null;

  constructor(options: DiskPoolOptions = {}) {
    this.threads = options.threads ?? Math.min(THREADS_MAX, Math.max(1, availableParallelism() - 1));
    this.#threadsMax = this.threads;
    this.openFilesMax = options.openFilesMax ?? OPEN_FILES_MAX;
    this.faults = options.faults ?? null;
  }

  /**
   * SHA-1 of the spans one after the other, 20 bytes for every `pieceLength` bytes and for what is left over. Small
   * calls travel together, but many pieces in one call cost less; keep a bounded number of calls under way.
   */
  hashSpans(
    spans: readonly DiskSpan[],
    pieceLength: number,
    done: (result: Uint8Array | StorageError) => void,
  ): void {
    this.run({ kind: 'hash', root: null, spans, pieceLength }, done);
  }

  /** Puts a job in the queue. `done` is called in a later turn. */
  run<K extends keyof DiskResults>(
    job: DiskJob & { kind: K },
    done: (result: DiskResults[K] | StorageError) => void,
  ): void {
    this.#add(job, (answer) => {
      // A worker answers a job with its own kind of result.
      done(answer.ok ? (answer.result as DiskResults[K]) : fromFailure(answer.failure));
    });
  }

  /** Makes files and folders last, in threads of their own. `done` is called in a later turn. */
  sync(
    files: readonly string[],
    folders: readonly string[],
    done: (error: StorageError | null) => void,
  ): void {
    if (!this.#isClosed) this.#syncs ??= this.#makeSyncs();
    (this.#syncs ?? this).run({ kind: 'sync', files, folders }, (result) => {
      done(result instanceof StorageError ? result : null);
    });
  }

  #makeSyncs(): DiskPool {
    const syncs = new DiskPool({ threads: SYNC_THREADS, ...(this.faults && { faults: this.faults }) });
    // It keeps no files open itself.
    syncs.onShrink((done) => this.shrink(done));
    return syncs;
  }

  /** Starts a thread before there is work for it: to start takes longer than the first job. */
  warmUp(): void {
    if (this.#workers.length === 0 && !this.#isClosed) this.#start();
  }

  /** Closes the files `tops` and what lies below them, in all threads. What is released in one turn travels together. */
  release(tops: readonly string[], done: () => void): void {
    this.#releasing.push({ tops, done });
    if (this.#releasing.length > 1) return;
    queueMicrotask(() => {
      const all = this.#releasing.splice(0);
      this.#tellAll({ kind: 'release', tops: all.flatMap((each) => each.tops) }, () => {
        for (const each of all) each.done();
      });
    });
  }

  /**
   * Keeps fewer files open in all threads, because the process is short of descriptors; `done` when they are closed.
   * Many meet one shortage at the same time, and it shrinks once for them all.
   */
  shrink(done: () => void): void {
    this.#shrinking.push(done);
    if (this.#shrinking.length > 1) return;
    let left = 1 + this.#onShrink.length;
    const finished = (): void => {
      if (--left === 0) for (const each of this.#shrinking.splice(0)) each();
    };
    for (const listener of this.#onShrink) listener(finished);
    this.#tellAll({ kind: 'shrink' }, finished);
  }

  /** For others that keep files open: `listener` closes some when the threads are short of descriptors, and says when it has. */
  onShrink(listener: (done: () => void) => void): void {
    this.#onShrink.push(listener);
  }

  /** Waits for the jobs under way and ends the threads. Jobs that come later fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#syncs?.close();
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    await Promise.all(this.#workers.splice(0).map((thread) => thread.worker.terminate()));
  }

  #add(job: DiskJob, done: (answer: DiskAnswer) => void): void {
    const task = { job, done, attempts: 0, shrinks: 0 };
    if (this.#isClosed) {
      setImmediate(() => fail(task, 'the disk threads are closed'));
      return;
    }
    this.#queue.push(task);
    this.#dispatchSoon();
  }

  /** Gives every thread a job of its own, before what is in the queue. */
  #tellAll(job: DiskJob, done: () => void): void {
    const workers = [...this.#workers];
    let left = workers.length;
    const finished = (): void => {
      if (--left === 0) done();
    };
    if (left === 0) setImmediate(done);
    for (const thread of workers) this.#send(thread, [{ job, done: finished, attempts: 0, shrinks: 0 }]);
  }

  /** At the end of the turn, so that jobs of one turn share batches. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    queueMicrotask(() => {
      this.#isDispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.size > 0) {
      const thread = this.#pickThread();
      if (!thread) return;
      this.#send(thread, this.#takeBatch());
    }
  }

  /** At least one. */
  #takeBatch(): Task[] {
    const batch: Task[] = [];
    let bytes = 0;
    for (let next; (next = this.#queue.first) && batch.length < BATCH_JOBS; this.#queue.shift()) {
      bytes += weightOf(next.job);
      const bytesMax = next.job.kind === 'write' ? WRITE_BATCH_BYTES : BATCH_BYTES;
      if (bytes > bytesMax && batch.length > 0) break;
      batch.push(next);
    }
    return batch;
  }

  /** An idle thread, else a new one, else one with room. */
  #pickThread(): DiskThread | null {
    let best: DiskThread | null = null;
    for (const thread of this.#workers) {
      if (!thread.isReady) continue;
      if (best === null || thread.batches.length < best.batches.length) best = thread;
    }
    if (best?.batches.length !== 0 && this.#workers.length < this.#threadsMax) {
      const thread = this.#start();
      if (thread.isReady) return thread;
    }
    return best !== null && best.batches.length < BATCHES_IN_WORKER ? best : null;
  }

  #start(): DiskThread {
    const worker = new Worker(workerUrl('disk-worker'), {
      name: 'torrent-ts-disk',
      execArgv: [],
      workerData: {
        openFilesMax: Math.max(1, Math.floor(this.openFilesMax / (this.threads + 1))),
        faults: this.faults?.shared ?? null,
      },
    });
    // Nobody else could do the work of the first.
    const thread: DiskThread = {
      worker,
      batches: [],
      shown: new WeakSet(),
      shownBytes: 0,
      cause: null,
      isReady: this.#workers.length === 0,
    };
    worker.unref();
    worker.on('message', (answers: readonly DiskAnswer[]) => {
      if (answers.length > 0) this.#onAnswers(thread, answers);
      else this.#onReady(thread);
    });
    worker.on('error', (error) => (thread.cause = error));
    worker.on('messageerror', (error) => {
      thread.cause = error;
      void worker.terminate();
    });
    worker.on('exit', () => this.#onExit(thread));
    this.#workers.push(thread);
    return thread;
  }

  #send(thread: DiskThread, tasks: Task[]): void {
    if (thread.batches.length === 0) thread.worker.ref();
    thread.batches.push(tasks);
    for (const task of tasks) task.attempts++;
    for (const { job } of tasks) if (job.kind === 'write') noteShown(thread, job.bytes.buffer);
    const jobs = tasks.map((task) => task.job);
    if (thread.shownBytes >= SHARED_GARBAGE_MAX) {
      thread.shownBytes = 0;
      // Its answer is one more than anybody waits for.
      jobs.push({ kind: 'collect' });
    }
    thread.worker.postMessage(jobs);
  }

  #onReady(thread: DiskThread): void {
    thread.isReady = true;
    this.#dispatch();
  }

  #onAnswers(thread: DiskThread, answers: readonly DiskAnswer[]): void {
    const tasks = thread.batches.shift()!;
    if (thread.batches.length === 0) thread.worker.unref();
    this.#dispatch();
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[i]!;
      const answer = answers[i]!;
      if (isShort(answer) && task.shrinks < SHRINKS_MAX) this.#hold(task);
      else task.done(answer);
    }
    this.#tellIdle();
  }

  /** Does a task again that found no descriptor left, when all threads have closed some. */
  #hold(task: Task): void {
    task.shrinks++;
    this.#held.push(task);
    if (this.#held.length > 1) return;
    const again = (): void => {
      this.#queue.unshift(...this.#held.splice(0));
      this.#dispatch();
    };
    const waitMs = SHORTAGE_WAIT_MS * (task.shrinks - 1);
    this.shrink(() => {
      if (waitMs === 0) again();
      else setTimeout(again, waitMs);
    });
  }

  /** Only a crash (or memory run out) ends a worker before `close`. */
  #onExit(thread: DiskThread): void {
    const at = this.#workers.indexOf(thread);
    if (at < 0) return;
    this.#workers.splice(at, 1);
    // There is no room for another thread: those that run have to do.
    if (!thread.isReady) this.#threadsMax = Math.max(1, this.#workers.length);
    const again: Task[] = [];
    const lost: Task[] = [];
    for (const task of thread.batches.splice(0).flat()) {
      const isRepeatable = !['release', 'shrink'].includes(task.job.kind);
      (isRepeatable && task.attempts < ATTEMPTS_MAX ? again : lost).push(task);
    }
    this.#queue.unshift(...again);
    this.#dispatch();
    const why = thread.cause instanceof Error ? `: ${thread.cause.message}` : '';
    for (const task of lost) fail(task, `a disk thread died${why}`);
    this.#tellIdle();
  }

  #isIdle(): boolean {
    if (this.#queue.size > 0 || this.#held.length > 0) return false;
    return this.#workers.every((thread) => thread.batches.length === 0);
  }

  #tellIdle(): void {
    if (this.#onIdle.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

function noteShown(thread: DiskThread, memory: ArrayBufferLike): void {
  if (thread.shown.has(memory)) return;
  thread.shown.add(memory);
  thread.shownBytes += memory.byteLength;
}

function fail(task: Task, message: string): void {
  const path = 'spans' in task.job ? (task.job.spans[0]?.path ?? '') : '';
  task.done({ ok: false, failure: { code: 'ERR_DISK_IO', message, path, errno: '' } });
}

/** Did it fail because no descriptor was left? */
function isShort(answer: DiskAnswer): boolean {
  const failure = answer.ok ? failureIn(answer.result) : answer.failure;
  return failure !== null && isShortOfFiles(failure.errno);
}

function failureIn(result: DiskResults[keyof DiskResults]): StorageFailure | null {
  return result !== null && 'failure' in result ? result.failure : null;
}

/** How long a job takes, in bytes hashed or so. */
function weightOf(job: DiskJob): number {
  if (job.kind === 'write') return job.bytes.length;
  // Thousands of torrents that start ask for one each, mostly of one file.
  if (job.kind === 'load') return SURVEYED_FILE_BYTES;
  if (job.kind === 'survey') return SURVEYED_FILE_BYTES * job.paths.length;
  if (job.kind !== 'hash') return BATCH_BYTES;
  let bytes = 0;
  for (const span of job.spans) bytes += span.length;
  return bytes;
}
