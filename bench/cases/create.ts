/** Making a torrent and checking its data, as whole commands, beside the rate of SHA-1 alone. */
import { hash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Content } from '../support/content.ts';
import { versionOf } from '../support/hosts.ts';
import { measure } from '../support/processes.ts';
import { PROJECT } from '../support/project.ts';
import { medianRow, type Row } from '../support/report.ts';

const PIECE_LENGTH = 1_048_576;

export async function createAndVerify(content: Content, runs: number, folder: string): Promise<Row[]> {
  const ours = [process.execPath, join(PROJECT, 'bin/torrent-ts.js')];
  const path = join(content.dir, content.name);
  const made = join(folder, 'made.torrent');
  const commands: Record<string, readonly [string, readonly string[]]> = {
    'torrent-ts': ['create', [...ours, 'create', path, '-o', made, '--piece-size', '1M', '--quiet']],
    ...(versionOf('mktorrent', '-h') !== null && {
      mktorrent: ['create', ['mktorrent', '-t', `${availableParallelism()}`, '-l', '20', '-o', made, path]],
    }),
    'torrent-ts verify': ['verify', [...ours, 'verify', content.torrent, '--dir', content.dir, '--quiet']],
  };
  const results = new Map<string, Row[]>(Object.keys(commands).map((who) => [who, []]));
  const alone: Row[] = [];
  for (let run = 0; run < runs; run++) {
    for (const [who, [what, command]] of Object.entries(commands)) {
      rmSync(made, { force: true });
      const { seconds, cpuSeconds, peakMiB, status } = await measure(command, {
        log: join(folder, 'create.log'),
      });
      const figures = {
        'MB/s': content.bytes / 1e6 / seconds,
        'CPU s/GiB': (cpuSeconds * 2 ** 30) / content.bytes,
        'peak MiB': peakMiB,
      };
      results.get(who)!.push({ what: `create and verify, ${what}`, who, figures, ok: status === 0 });
    }
    alone.push(sha1Alone());
  }
  return [...[...results.values()].map(medianRow), medianRow(alone)];
}

/** What one core hashes when nothing is read: times the number of cores it is the most there can be. */
function sha1Alone(): Row {
  const piece = new Uint8Array(PIECE_LENGTH);
  const count = 512;
  const start = performance.now();
  for (let i = 0; i < count; i++) hash('sha1', piece, 'buffer');
  const seconds = (performance.now() - start) / 1000;
  const figures = { 'MB/s': (count * PIECE_LENGTH) / 1e6 / seconds, cores: availableParallelism() };
  return { what: 'create and verify, SHA-1 of one core', who: 'node:crypto', figures, ok: true };
}
