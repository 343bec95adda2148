/** Thousands of torrents or connections that do nothing: what each of them costs, and how fast torrents start. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from '../support/report.ts';

export interface IdleFigures {
  readonly startSeconds: number;
  readonly cpuSeconds: number;
  readonly heapKiB: number;
  readonly residentKiB: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly announces: number;
  readonly closeSeconds: number;
  readonly closeLoopP99Ms: number;
  readonly closeLoopMaxMs: number;
}

export interface IdleSwarmFigures {
  readonly connected: number;
  readonly heapKiB: number;
  readonly residentKiB: number;
  readonly cpuPercent: number;
}

/** The first run has no resume records and reads everything; the second starts from them. */
export async function idle(torrents: number, folder: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const what of ['read and hashed', 'remembered']) {
    const script = fileURLToPath(new URL('../support/idle-client.js', import.meta.url));
    const child = fork(script, [`${torrents}`, join(folder, 'idle')], { execArgv: ['--expose-gc'] });
    const [figures] = (await once(child, 'message')) as [IdleFigures];
    await once(child, 'exit');
    rows.push({
      what: `${torrents} torrents that seed and are idle`,
      who: what,
      ok: true,
      figures: {
        'start s': figures.startSeconds,
        'CPU s': figures.cpuSeconds,
        'heap KiB each': figures.heapKiB,
        'resident KiB each': figures.residentKiB,
        'loop p99 ms': figures.loopP99Ms,
        'loop max ms': figures.loopMaxMs,
        'announces by then': figures.announces,
        'close s': figures.closeSeconds,
        'closing loop p99 ms': figures.closeLoopP99Ms,
        'closing loop max ms': figures.closeLoopMaxMs,
      },
    });
  }
  return rows;
}

/** What a connection costs whose peer wants nothing. */
export async function idleConnections(connections: number, folder: string): Promise<Row> {
  const script = fileURLToPath(new URL('../support/idle-swarm.js', import.meta.url));
  const child = fork(script, [`${connections}`, join(folder, 'idle-swarm')], { execArgv: ['--expose-gc'] });
  const [figures] = (await once(child, 'message')) as [IdleSwarmFigures];
  await once(child, 'exit');
  return {
    what: `${connections} connections of one torrent that are idle`,
    who: 'ours',
    ok: figures.connected >= connections,
    figures: {
      'heap KiB each': figures.heapKiB,
      'resident KiB each': figures.residentKiB,
      'CPU %': figures.cpuPercent,
    },
  };
}
