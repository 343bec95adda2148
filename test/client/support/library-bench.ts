import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../../src/client.ts';
import type { ClientOptions } from '../../../src/options.ts';
import type { TorrentHandle } from '../../../src/torrent-handle.ts';
import { makeTorrent, type MadeTorrent } from '../../support/torrent-maker.ts';
import { fileDigest, noise, temporaryFolder, writeTree } from '../../support/tree.ts';

export const PIECE_LENGTH = 32_768;

export interface MadeFile {
  readonly name: string;
  readonly torrent: MadeTorrent;
  readonly content: Buffer;
  /** Where it lies whole. */
  readonly dir: string;
  readonly pieces: number;
}

/** Folders, torrents and clients for one test, gone after it. */
export class LibraryBench {
  readonly #folder = temporaryFolder('client', true);
  readonly #clients: Client[] = [];
  #dirs = 0;

  /** An empty folder. */
  dir(): string {
    const path = join(this.#folder.path, `${this.#dirs++}`);
    mkdirSync(path);
    return path;
  }

  async client(options: ClientOptions = {}): Promise<Client> {
    const client = await Client.open({
      port: 0,
      host: '127.0.0.1',
      stateDir: false,
      // Tests do not meet each other, nor anybody on the network of this machine.
      dht: false,
      lsd: false,
      dir: this.dir(),
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** A file of so many pieces, the last a little short, and its torrent. */
  file(name: string, pieces = 20, trackers: readonly (readonly string[])[] = []): MadeFile {
    const dir = this.dir();
    const length = pieces * PIECE_LENGTH - 100;
    writeTree(dir, { [name]: length });
    const torrent = makeTorrent({ name, dir, files: null, pieceLength: PIECE_LENGTH, trackers });
    return { name, torrent, content: noise(name, length), dir, pieces };
  }

  /** A client that has the file and gives it. */
  async seeder(
    file: MadeFile,
    options: ClientOptions = {},
  ): Promise<{ client: Client; torrent: TorrentHandle }> {
    const client = await this.client(options);
    const torrent = await client.add(file.torrent.bytes, { dir: file.dir });
    await torrent.completed();
    return { client, torrent };
  }

  /** Fetches the file from these ports with a client of its own; true if every byte is right. */
  async fetches(file: MadeFile, ...ports: number[]): Promise<boolean> {
    const client = await this.client();
    const torrent = await client.add(file.torrent.bytes, {
      peers: ports.map((port) => ({ host: '127.0.0.1', port })),
    });
    await torrent.completed();
    const same = isSame(torrent, file);
    await client.close();
    return same;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#folder.remove();
  }
}

/** Does the file of this torrent have the right SHA-256? */
export function isSame(torrent: TorrentHandle, file: MadeFile): boolean {
  return fileDigest(join(torrent.dir, file.name)) === fileDigest(join(file.dir, file.name));
}

/** The next time that an event says something that fits. */
export function next<T extends unknown[]>(
  torrent: TorrentHandle,
  event: Parameters<TorrentHandle['on']>[0],
  fits: (...values: T) => boolean = () => true,
): Promise<T> {
  return new Promise((resolve) => {
    const listener = (...values: unknown[]): void => {
      if (!fits(...(values as T))) return;
      torrent.off(event, listener as never);
      resolve(values as T);
    };
    torrent.on(event, listener as never);
  });
}
