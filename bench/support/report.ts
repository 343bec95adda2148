import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { PROJECT } from './project.ts';

/** One line of the table: what was measured, of whom, and the figures by name. */
export interface Row {
  readonly what: string;
  readonly who: string;
  readonly figures: Readonly<Record<string, number | null>>;
  /** False if bytes that came were not the ones that were sent. */
  readonly ok: boolean;
}

/** The median of each figure over runs of the same thing. A figure that some run lacks is null. */
export function medianRow(runs: readonly Row[]): Row {
  const first = runs[0]!;
  const names = Object.keys(first.figures);
  const figures = Object.fromEntries(
    names.map((name) => [name, median(runs.map((run) => run.figures[name] ?? null))]),
  );
  return { what: first.what, who: first.who, figures, ok: runs.every((run) => run.ok) };
}

export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length < values.length || known.length === 0) return null;
  const middle = known.length >> 1;
  return known.length % 2 === 1 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2;
}

export function printTable(rows: readonly Row[]): void {
  let what = '';
  for (const row of rows) {
    if (row.what !== what) console.log(`\n${row.what}`);
    what = row.what;
    const figures = Object.entries(row.figures)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name} ${format(value!)}`);
    console.log(`  ${row.who.padEnd(18)} ${figures.join('  ')}${row.ok ? '' : '  WRONG DATA'}`);
  }
}

function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).padStart(6);
}

/** Writes what was measured, on which machine, with which command. Returns the path. */
export function writeResults(path: string, command: string, runs: number, rows: readonly Row[]): string {
  const file = join(PROJECT, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `${JSON.stringify({ command, date: new Date().toISOString(), machine: machine(), runs, rows }, null, 2)}\n`,
  );
  return file;
}

export function machine(): Record<string, string | number> {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    version: (JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string }).version,
    commit: commit(),
  };
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, {
        cwd: PROJECT,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    return (
      git('rev-parse', '--short', 'HEAD') +
      (git('status', '--porcelain', 'src') === '' ? '' : ' with changes')
    );
  } catch {
    return 'unknown'; // From an archive without its history.
  }
}
