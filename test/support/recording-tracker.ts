import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bencode } from './torrent-maker.ts';

/** What a client said in one announce (BEP 3). */
export interface Announce {
  readonly event: string;
  readonly port: number;
  readonly left: number;
  readonly uploaded: number;
  readonly downloaded: number;
}

/** An HTTP tracker on loopback that remembers what it was told and answers with peers that a test chooses. */
export class RecordingTracker {
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  readonly announces: Announce[] = [];
  /** Named to everyone, as [host, port]. */
  peers: readonly (readonly [host: string, port: number])[] = [];
  /** Events that get no answer, ever. */
  silentOn: readonly string[] = [];

  static async start(): Promise<RecordingTracker> {
    const tracker = new RecordingTracker();
    await new Promise<void>((resolve) => tracker.#server.listen(0, '127.0.0.1', resolve));
    return tracker;
  }

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request.url ?? '', response));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/announce`;
  }

  /** The first announce with this event, once it is there. */
  heard(event: string, which: (announce: Announce) => boolean = () => true): Promise<Announce> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.announces.find((announce) => announce.event === event && which(announce));
        if (!found) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(url: string, response: ServerResponse): void {
    const query = new Map(
      (url.split('?')[1] ?? '').split('&').map((pair) => pair.split('=', 2) as [string, string]),
    );
    const number = (key: string): number => Number(query.get(key) ?? NaN);
    const announce = {
      event: query.get('event') ?? '',
      port: number('port'),
      left: number('left'),
      uploaded: number('uploaded'),
      downloaded: number('downloaded'),
    };
    this.announces.push(announce);
    for (const look of this.#waiting) look();
    if (this.silentOn.includes(announce.event)) return;
    const compact = this.peers.map(([host, port]) =>
      Buffer.from([...host.split('.').map(Number), port >> 8, port & 255]),
    );
    response.end(bencode({ interval: 1800, peers: Buffer.concat(compact) }));
  }
}
