import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { BencodeValue } from '../../support/torrent-maker.ts';

export interface Asked {
  readonly path: string;
  readonly first: number;
  readonly last: number;
}

/** Answers a request in place of the file; true if it did. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse, asked: Asked) => boolean;

/** A web server on loopback with files in memory, that can be told to behave otherwise. */
export class FileServer {
  readonly asked: Asked[] = [];
  /** Called before each answer. */
  misbehave: Misbehaviour = () => false;
  /** What it gives of a file. */
  mend: (bytes: Buffer, offset: number) => Buffer = (bytes) => bytes;
  connections = 0;
  readonly #files: Readonly<Record<string, Buffer>>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(files: Readonly<Record<string, Buffer>>) {
    this.#files = files;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param files By path as it stands in requests, such as `/a%20b`. */
  static async open(files: Readonly<Record<string, Buffer>>): Promise<FileServer> {
    const server = new FileServer(files);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes that it was asked for. */
  get askedBytes(): number {
    return this.asked.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** Cuts every connection. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const asked = { path: request.url!, first: Number(from), last: Number(to) };
    this.asked.push(asked);
    if (this.misbehave(request, response, asked)) return;
    const file = this.#files[asked.path];
    if (file === undefined) {
      response.writeHead(404).end('not here');
      return;
    }
    const bytes = this.mend(Buffer.from(file.subarray(asked.first, asked.last + 1)), asked.first);
    response.writeHead(206, {
      'Content-Range': `bytes ${asked.first}-${asked.last}/${file.length}`,
      'Content-Length': bytes.length,
    });
    response.end(bytes);
  }
}

/** An answer without a body. */
export function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers).end();
  return true;
}

/** What goes with a part of a file. */
export function rangeHeaders(
  first: number,
  last: number,
  total: number,
): { 'Content-Range': string; 'Content-Length': number } {
  return { 'Content-Range': `bytes ${first}-${last}/${total}`, 'Content-Length': last - first + 1 };
}

/** An info dictionary with pieces of 32 KiB. */
export function infoOf(name: string, content: Buffer, parts: { files?: BencodeValue }): BencodeValue {
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += 32_768) {
    hashes.push(
      createHash('sha1')
        .update(content.subarray(at, at + 32_768))
        .digest(),
    );
  }
  const what = parts.files === undefined ? { length: content.length } : { files: parts.files };
  return { name, 'piece length': 32_768, pieces: Buffer.concat(hashes), ...what };
}
