import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { makeTorrent } from '../support/torrent-maker.ts';
import { MANY_SCRIPTS, temporaryFolder, treeDigest, writeTree, type TreeSpec } from '../support/tree.ts';
import type { Client, Job, Running } from './clients/client.ts';
import { TRACKER_PORT } from './clients/opentracker.ts';
import { Network, type Host } from './network.ts';

/** The content of one torrent and how its torrent is to look. */
export interface Content {
  readonly name: string;
  /** Bytes of the one file, or the files of a folder. */
  readonly files: number | TreeSpec;
  readonly pieceLength: number;
}

export const SINGLE: Content = { name: 'single file.bin', files: 12_345_679, pieceLength: 256 * 1024 };

/** Pieces of 100,000 bytes: no multiple of a block, so every piece ends in a short one. */
export const FOLDER: Content = { name: 'mixed folder ✓', files: MANY_SCRIPTS, pieceLength: 100_000 };

export interface Torrent {
  readonly name: string;
  readonly file: string;
  readonly infoHash: string;
  readonly length: number;
  /** The folder that holds complete content. */
  readonly dir: string;
}

export type Transport = 'http' | 'udp';

/** One network, a folder, and everything that was started on them; `close` leaves nothing behind. */
export class Lab {
  readonly #network: Network;
  readonly #folder = temporaryFolder('interop');
  readonly #running: Running[] = [];
  readonly trackerHost: Host;
  #folders = 0;

  constructor() {
    this.#network = new Network();
    this.trackerHost = this.#network.host();
  }

  host(): Host {
    return this.#network.host();
  }

  /** A fresh folder below the lab's own. */
  folder(label: string): string {
    this.#folders += 1;
    const path = join(this.#folder.path, `${this.#folders}-${label}`);
    mkdirSync(path);
    return path;
  }

  announceUrl(transport: Transport, port = TRACKER_PORT): string {
    return `${transport}://${this.trackerHost.address}:${port}/announce`;
  }

  /** Writes content and a torrent of it that names trackers, one tier each. */
  torrent(content: Content, trackers: readonly string[]): Torrent {
    const dir = this.folder('content');
    const { name, files, pieceLength } = content;
    writeTree(dir, typeof files === 'number' ? { [name]: files } : prefixed(name, files));
    const made = makeTorrent({
      name,
      dir,
      files: typeof files === 'number' ? null : Object.keys(files),
      pieceLength,
      trackers: trackers.map((url) => [url]),
    });
    const file = join(this.folder('torrent'), 'made.torrent');
    writeFileSync(file, made.bytes);
    return { name, file, infoHash: made.infoHash, length: made.length, dir };
  }

  /** Starts a client that has everything. */
  seed(client: Client, torrent: Torrent, extra: Partial<Job> = {}): Promise<Running> {
    return this.#start(client, 'seed', torrent, { dir: torrent.dir, ...extra });
  }

  /** Starts a client that has nothing. */
  download(client: Client, torrent: Torrent, extra: Partial<Job> & { dir: string }): Promise<Running> {
    return this.#start(client, 'download', torrent, extra);
  }

  /** Every file of a client's download has the bytes of the original, and there are no others. */
  expectSame(torrent: Torrent, dir: string, client: Client): void {
    const expected = Object.entries(treeDigest(torrent.dir)).filter(
      ([, digest]) => !(client.omitsEmptyFiles && digest === EMPTY),
    );
    const found = Object.entries(treeDigest(dir)).filter(([path]) => !client.ownFiles?.test(path));
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  }

  /** Stops every client, so that the next test begins with silence. */
  async stopClients(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((running) => running.child.stop()));
  }

  async close(): Promise<void> {
    await this.stopClients();
    this.#network.close();
    this.#folder.remove();
  }

  async #start(
    client: Client,
    role: 'seed' | 'download',
    torrent: Torrent,
    extra: Partial<Job> & { dir: string },
  ): Promise<Running> {
    client.check();
    const scratch = this.folder(client.name);
    // Some clients write next to the torrent file, so each gets a copy.
    const torrentFile = join(scratch, 'given.torrent');
    copyFileSync(torrent.file, torrentFile);
    const running = await client[role]({ host: extra.host ?? this.host(), torrentFile, scratch, ...extra });
    this.#running.push(running);
    return running;
  }
}

/** SHA-256 of nothing. */
const EMPTY = createHash('sha256').digest('hex');

function prefixed(name: string, files: TreeSpec): TreeSpec {
  return Object.fromEntries(Object.entries(files).map(([path, length]) => [`${name}/${path}`, length]));
}
