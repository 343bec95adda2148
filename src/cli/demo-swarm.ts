import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError, EXIT } from './exit-codes.ts';
import type {
  ClientOptions,
  Library,
  LibraryClient,
  LibraryTorrent,
  LibraryTracker,
  MetaInfo,
} from './library.ts';

/**
 * Three seeders, a tracker and a downloader in one process, each a client of its own that meets the others through
 * real sockets on the loopback interface.
 */

const HOST = '127.0.0.1';
/** With all three seeders it would take so long; with fewer, longer. */
const IDEAL_SECONDS = 4;
const SEEDERS = 3;
/** How long until all seeders are known to the tracker; it is a matter of milliseconds. */
const ANNOUNCE_TIMEOUT_MS = 10_000;

export interface DemoPeer {
  readonly client: LibraryClient;
  readonly torrent: LibraryTorrent;
}

export interface DemoFiles {
  /** Holds the data under the torrent's name. */
  readonly source: string;
  /** Holds a copy that may be damaged. */
  readonly liar: string;
  /** Where the download goes. */
  readonly got: string;
}

export async function openTracker(library: Library): Promise<LibraryTracker> {
  return library.TrackerServer.open({ host: HOST, httpPort: 0, udpPort: false });
}

/** The folders of a swarm below `dir`. */
export async function makeFolders(dir: string): Promise<DemoFiles> {
  const files = { source: join(dir, 'source'), liar: join(dir, 'liar'), got: join(dir, 'downloaded') };
  for (const folder of Object.values(files)) await mkdir(folder);
  return files;
}

export class DemoSwarm {
  readonly #library: Library;
  readonly #metaInfo: MetaInfo;
  readonly #files: DemoFiles;
  readonly #clients: LibraryClient[] = [];
  readonly seeders: DemoPeer[] = [];
  /** Where the seeders listen, in their order, also after their end. */
  readonly ports: number[] = [];

  constructor(library: Library, metaInfo: MetaInfo, files: DemoFiles) {
    this.#library = library;
    this.#metaInfo = metaInfo;
    this.#files = files;
  }

  /** Bytes per second that each seeder gives at most, so that there is something to watch. */
  get seederLimit(): number {
    return Math.ceil(this.#metaInfo.length / (IDEAL_SECONDS * SEEDERS));
  }

  /** Starts the seeders; the last one has a copy of its own. Resolves when the tracker knows them all. */
  async openSeeders(signal: AbortSignal): Promise<void> {
    const { name } = this.#metaInfo;
    await copyFile(join(this.#files.source, name), join(this.#files.liar, name));
    for (let i = 0; i < SEEDERS; i++) {
      const dir = i === SEEDERS - 1 ? this.#files.liar : this.#files.source;
      const seeder = await this.#join(dir, { upLimit: this.seederLimit }, signal);
      this.seeders.push(seeder);
      this.ports.push(seeder.client.listenPort);
    }
    await Promise.all(this.seeders.map(({ torrent }) => announced(torrent, signal)));
  }

  async openDownloader(signal: AbortSignal): Promise<DemoPeer> {
    return this.#join(this.#files.got, {}, signal);
  }

  /** Ends a seeder on the spot, as a crash would. */
  async kill(seeder: number): Promise<void> {
    await this.seeders[seeder]!.client.close({ timeoutMs: 0 });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 1000 })));
  }

  async #join(dir: string, options: ClientOptions, signal: AbortSignal): Promise<DemoPeer> {
    const client = await this.#library.Client.open({
      host: HOST,
      port: 0,
      stateDir: false,
      // A swarm apart, also from another demo on this machine.
      dht: false,
      lsd: false,
      ...options,
    });
    this.#clients.push(client);
    return { client, torrent: await client.add(this.#metaInfo, { dir, signal }) };
  }
}

/** Resolves when the tracker has answered. */
async function announced(torrent: LibraryTorrent, signal: AbortSignal): Promise<void> {
  await torrent.completed({ signal });
  const POLL_MS = 20;
  const end = performance.now() + ANNOUNCE_TIMEOUT_MS;
  // Trackers have no event for this; a demo may ask again and again.
  for (;;) {
    signal.throwIfAborted();
    const [tracker] = torrent.trackers;
    if (tracker?.state === 'working') return;
    if (tracker?.state === 'failed' || performance.now() > end) {
      throw new CliError(
        `${HOST} does not answer; the demo needs the loopback interface, and no other network`,
        EXIT.unreachable,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
