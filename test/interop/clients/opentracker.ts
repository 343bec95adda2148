import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../../support/child.ts';
import { eventually } from '../../support/eventually.ts';
import type { Host } from '../network.ts';
import { needsCommand } from './client.ts';

export const TRACKER_PORT = 6969;

export interface Swarm {
  readonly seeders: number;
  readonly leechers: number;
}

/** opentracker, as large public trackers run it. It knows only the torrents of its white list. */
export class Opentracker {
  readonly #host: Host;
  readonly child: Child;

  static check(): void {
    needsCommand('opentracker', 'apt-get install -y opentracker');
  }

  /** @param infoHashes 40 hexadecimal digits each. @param folder fresh, for its white list. */
  static async start(host: Host, folder: string, infoHashes: readonly string[]): Promise<Opentracker> {
    Opentracker.check();
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'whitelist'), infoHashes.map((hash) => `${hash}\n`).join(''));
    const port = String(TRACKER_PORT);
    const args = [
      '-i',
      host.address,
      '-p',
      port,
      '-P',
      port,
      '-d',
      folder,
      '-w',
      'whitelist',
      '-u',
      'nobody',
    ];
    const tracker = new Opentracker(host, host.start('opentracker', args));
    await eventually('opentracker answers', () => scrape(host, infoHashes[0]!));
    return tracker;
  }

  private constructor(host: Host, child: Child) {
    this.#host = host;
    this.child = child;
  }

  /** Resolves once as many seeders of a torrent have announced themselves. */
  async hasSeeders(infoHash: string, count: number): Promise<void> {
    await eventually(`${count} seeders announced`, async () => {
      const swarm = await scrape(this.#host, infoHash);
      return swarm && swarm.seeders >= count ? swarm : null;
    });
  }
}

/** Asks a tracker on `host` how many peers a torrent has (BEP 48); null while it does not answer. */
export async function scrape(host: Host, infoHash: string): Promise<Swarm | null> {
  const hash = infoHash.replace(/../g, '%$&');
  const url = `http://${host.address}:${TRACKER_PORT}/scrape?info_hash=${hash}`;
  const program =
    'import sys, urllib.request\n' +
    'try: print(urllib.request.urlopen(sys.argv[1], timeout=5).read())\n' +
    'except OSError: print("silent")';
  const answer = await host.run('/usr/bin/python3', ['-c', program, url]);
  if (answer === 'silent') return null;
  const number = (key: string): number => Number(new RegExp(`${key}i(\\d+)e`).exec(answer)?.[1] ?? 0);
  return { seeders: number('8:complete'), leechers: number('10:incomplete') };
}
