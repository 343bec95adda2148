/**
 * Whole transfers between processes: seeders that were started before, and one client that is measured from its start to
 * its end. Those that are compared take turns, so that what else the machine does hits all of them.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchClient } from '../support/clients.ts';
import type { Content } from '../support/content.ts';
import { isCopy } from '../support/content.ts';
import type { Hosts } from '../support/hosts.ts';
import { cpuSecondsOf, measure, startServer, stop } from '../support/processes.ts';
import { PROJECT } from '../support/project.ts';
import { medianRow, type Row } from '../support/report.ts';

export interface Transfer {
  readonly what: string;
  readonly content: Content;
  readonly seeder: BenchClient;
  readonly leeches: readonly BenchClient[];
  readonly seeders?: number;
}

export const TRACKER_PORT = 46_969;
const SEED_PORT = 47_000;
const LEECH_PORT = 46_970;
/** A seeder that has not begun to listen by then makes others wait; all clients here need less. */
const SEED_START_MS = 2_500;
const TRACKER_START_MS = 500;
/** A client that is ours writes how late its event loop was. */
const PROBE = 'TORRENT_TS_PROBE';

export async function transfers(
  cases: readonly Transfer[],
  runs: number,
  hosts: Hosts,
  folder: string,
): Promise<Row[]> {
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const found = new Map<string, Row[]>();
  const offers: Offer[] = [];
  try {
    for (const one of cases) offers.push(startSeeders(one, SEED_PORT + 8 * offers.length, hosts, folder));
    await new Promise((resolve) => setTimeout(resolve, SEED_START_MS));
    for (let run = 0; run < runs; run++) {
      for (const offer of offers) {
        for (const row of await downloads(offer, hosts, folder)) {
          const key = `${row.what} ${row.who}`;
          found.set(key, [...(found.get(key) ?? []), row]);
        }
      }
    }
  } finally {
    await Promise.all(offers.flatMap(({ servers }) => servers).map(stop));
  }
  const rows = [...found.values()].map(medianRow);
  for (const { one, probe } of offers) {
    const figures = probed(probe);
    if (figures) rows.push({ what: one.what, who: `${one.seeder.name} as seeder`, figures, ok: true });
  }
  return rows;
}

/** Seeders that serve one transfer after the other, as they do for users. */
interface Offer {
  readonly one: Transfer;
  readonly peers: readonly string[];
  readonly servers: readonly ChildProcess[];
  /** What the first of them writes at its end, if it is ours. */
  readonly probe: string;
}

function startSeeders(one: Transfer, firstPort: number, { seed }: Hosts, folder: string): Offer {
  const { content, seeder } = one;
  const ports = Array.from({ length: one.seeders ?? 1 }, (_, i) => firstPort + i);
  const logOf = (port: number): string => join(folder, 'logs', `seeder-${port}`);
  const probe = `${logOf(firstPort)}.probe`;
  rmSync(probe, { force: true }); // Of an earlier comparison.
  const servers = ports.map((port) => {
    const place = { torrent: content.torrent, dir: content.dir, ip: seed.ip, port, peers: [] };
    return startServer([...seed.prefix, ...seeder.seed(place)], {
      log: logOf(port),
      env: { [PROBE]: `${logOf(port)}.probe`, TORRENT_TS_STATE_DIR: join(folder, `state-${port}`) },
    });
  });
  return {
    one,
    peers: ports.map((port) => `${seed.ip}:${port}`),
    servers,
    probe: `${logOf(firstPort)}.probe`,
  };
}

async function downloads({ one, peers, servers }: Offer, hosts: Hosts, folder: string): Promise<Row[]> {
  const { ip, prefix } = hosts.seed;
  const script = join(PROJECT, 'bench/support/fixed-tracker.js');
  const tracker = startServer([...prefix, process.execPath, script, ip, `${TRACKER_PORT}`, ...peers], {
    log: join(folder, 'logs', 'tracker'),
  });
  const rows: Row[] = [];
  try {
    await new Promise((resolve) => setTimeout(resolve, TRACKER_START_MS));
    for (const leech of one.leeches) {
      const before = sum(servers.map(({ pid }) => cpuSecondsOf(pid!)));
      const row = await download(one, leech, hosts, folder, peers);
      const after = sum(servers.map(({ pid }) => cpuSecondsOf(pid!)));
      const seederCpu = before === null || after === null ? null : perGiB(after - before, one.content);
      rows.push({ ...row, figures: { ...row.figures, 'seeder CPU s/GiB': seederCpu } });
    }
  } finally {
    await stop(tracker);
  }
  return rows;
}

async function download(
  { what, content }: Transfer,
  leech: BenchClient,
  { leech: host }: Hosts,
  folder: string,
  peers: readonly string[],
): Promise<Row> {
  const dir = join(folder, 'copy');
  const probe = join(folder, 'logs', 'probe-leech');
  for (const path of [dir, probe, join(folder, 'state')]) rmSync(path, { recursive: true, force: true });
  mkdirSync(dir);
  const place = { torrent: content.torrent, dir, ip: host.ip, port: LEECH_PORT, peers };
  const taken = await measure([...host.prefix, ...leech.leech(place)], {
    log: join(folder, 'logs', `leech-${leech.name}`),
    env: { [PROBE]: probe, TORRENT_TS_STATE_DIR: join(folder, 'state') },
  });
  const ok = taken.status === 0 && isCopy(content, dir);
  rmSync(dir, { recursive: true, force: true });
  return {
    what,
    who: leech.name,
    ok,
    figures: {
      'MB/s': content.bytes / 1e6 / taken.seconds,
      'CPU s/GiB': perGiB(taken.cpuSeconds, content),
      'peak MiB': taken.peakMiB,
      ...(probed(probe) ?? { 'loop p99 ms': null, 'loop max ms': null, 'GC %': null }),
    },
  };
}

function probed(path: string): Record<string, number> | null {
  if (!existsSync(path)) return null;
  const { loopP99Ms, loopMaxMs, gcShare } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>;
  return { 'loop p99 ms': loopP99Ms!, 'loop max ms': loopMaxMs!, 'GC %': 100 * gcShare! };
}

function perGiB(seconds: number, content: Content): number {
  return (seconds * 2 ** 30) / content.bytes;
}

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (all, value) => (all === null || value === null ? null : all + value),
    0,
  );
}
