/** HTTP announces at once over all torrents, as libtorrent: each is a socket and perhaps a TLS handshake. */
const ANNOUNCES_MAX = 50;
/** Of those, to one host: a tracker that hangs must not hold up the others. Transmission allows as many. */
const ANNOUNCES_PER_HOST_MAX = 16;

interface Waiting {
  readonly host: string;
  readonly start: () => void;
}

/**
 * Paces the announces of all torrents: a client that starts with a thousand of them must not open a thousand
 * sockets.
 */
export class AnnounceLimiter {
  readonly #max: number;
  readonly #perHostMax: number;
  readonly #runningByHost = new Map<string, number>();
  #running = 0;
  #waiting: Waiting[] = [];

  constructor(max: number = ANNOUNCES_MAX, perHostMax: number = ANNOUNCES_PER_HOST_MAX) {
    this.#max = max;
    this.#perHostMax = perHostMax;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Calls `start` when there is room, at once if there is. `leave` gives the place back, or gives up waiting for
   * it; calling it twice does nothing. `urgent` goes before all that wait.
   */
  enter(host: string, urgent: boolean, start: () => void): { leave(): void } {
    let state: 'waiting' | 'running' | 'left' = 'waiting';
    const waiting: Waiting = {
      host,
      start: () => {
        state = 'running';
        this.#running++;
        this.#runningByHost.set(host, this.#runningOf(host) + 1);
        start();
      },
    };
    if (this.#hasRoom(host)) waiting.start();
    else if (urgent) this.#waiting.unshift(waiting);
    else this.#waiting.push(waiting);
    return {
      leave: () => {
        if (state === 'waiting') this.#waiting = this.#waiting.filter((other) => other !== waiting);
        else if (state === 'running') this.#leave(host);
        state = 'left';
      },
    };
  }

  #leave(host: string): void {
    this.#running--;
    const left = this.#runningOf(host) - 1;
    if (left > 0) this.#runningByHost.set(host, left);
    else this.#runningByHost.delete(host);
    const next = this.#waiting.findIndex((waiting) => this.#hasRoom(waiting.host));
    if (next >= 0) this.#waiting.splice(next, 1)[0]!.start();
  }

  #hasRoom(host: string): boolean {
    return this.#running < this.#max && this.#runningOf(host) < this.#perHostMax;
  }

  #runningOf(host: string): number {
    return this.#runningByHost.get(host) ?? 0;
  }
}
