/** Thousands of torrents that seed and do nothing: how fast they start, and what each of them costs. */
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
  readonly loopMaxMs: number;
  readonly announces: number;
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
        'loop max ms': figures.loopMaxMs,
        'announces by then': figures.announces,
      },
    });
  }
  return rows;
}
