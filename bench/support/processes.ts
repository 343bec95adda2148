import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';

/** What a process took from its start to its end. */
export interface Measured {
  readonly seconds: number;
  /** User and system time, of its children too. */
  readonly cpuSeconds: number;
  /** Largest resident memory, sampled; null where there is no /proc. */
  readonly peakMiB: number | null;
  readonly status: number | null;
}

/** A process that ran for longer hangs. */
const TIMEOUT_MS = 180_000;
const SAMPLE_MS = 20;
/** Clock ticks per second of /proc, on every Linux there is. */
const TICKS = 100;

/** Runs a command to its end. The shell around it counts processor time, to the millisecond and on every system. */
export async function measure(
  command: readonly string[],
  options: { log: string; env?: NodeJS.ProcessEnv },
): Promise<Measured> {
  const log = openSync(options.log, 'w');
  const start = performance.now();
  const shell = spawn('bash', ['-c', '"$@"; s=$?; times >&3; exit $s', 'bash', ...command], {
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...process.env, ...options.env },
    detached: true,
  });
  let times = '';
  shell.stdio[3]!.on('data', (data: Buffer) => (times += data.toString()));
  let peakKiB: number | null = null;
  const sample = setInterval(() => {
    peakKiB = maxOf(peakKiB, peakOfChild(shell.pid!));
  }, SAMPLE_MS);
  const timeout = setTimeout(() => process.kill(-shell.pid!, 'SIGKILL'), TIMEOUT_MS);
  await once(shell, 'exit');
  const seconds = (performance.now() - start) / 1000;
  clearInterval(sample);
  clearTimeout(timeout);
  if (!shell.stdio[3]!.destroyed) await once(shell, 'close');
  return {
    seconds,
    cpuSeconds: parseTimes(times),
    peakMiB: peakKiB === null ? null : peakKiB / 1024,
    status: shell.exitCode,
  };
}

/** Starts a process that goes on until `stop`. */
export function startServer(
  command: readonly string[],
  options: { log: string; env?: NodeJS.ProcessEnv },
): ChildProcess {
  const log = openSync(options.log, 'w');
  return spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...options.env },
  });
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timeout = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await once(child, 'exit');
  clearTimeout(timeout);
}

/** Processor seconds so far of a process that runs; null where there is no /proc. */
export function cpuSecondsOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function peakOfChild(shell: number): number | null {
  const child = read(`/proc/${shell}/task/${shell}/children`)?.trim().split(' ')[0];
  const peak = child ? /VmHWM:\s+(\d+)/.exec(read(`/proc/${child}/status`) ?? '') : null;
  return peak ? Number(peak[1]) : null;
}

/** `times` prints minutes and seconds of user and system: of the shell, and on the second line of its children. */
function parseTimes(text: string): number {
  const children = text.trim().split('\n')[1] ?? '';
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, s]) => sum + 60 * Number(m) + Number(s),
    0,
  );
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // It has ended, or there is no /proc.
  }
}

function maxOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
