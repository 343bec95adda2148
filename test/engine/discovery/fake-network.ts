import type { Encodable } from '../../../src/bencode/codec.ts';
import { encode } from '../../../src/bencode/codec.ts';
import { TrackerError } from '../../../src/errors.ts';
import type {
  Cancel,
  Clock,
  DatagramPort,
  Entropy,
  HttpPort,
  HttpRequest,
  HttpResponse,
  Resolver,
} from '../../../src/ports.ts';
import type { IpFamily, PeerAddress } from '../../../src/util/ip.ts';
import { addressKey, ipFamily } from '../../../src/util/ip.ts';
import { Rng } from '../../../src/util/rng.ts';

/** The query of an announce, with bytes as they stand in the URL. */
export type Said = Readonly<Record<string, string>>;

/** What a fake tracker answers: a dictionary, an error, or null for nothing ever. */
export type Behaviour = (said: Said, request: HttpRequest) => Record<string, Encodable> | string | null;

/** HTTP trackers by the beginning of their URL; answers come after 10 ms. Those unknown refuse the connection. */
export class FakeHttp implements HttpPort {
  readonly requests: {
    at: number;
    url: string;
    family: IpFamily | undefined;
    said: Said;
    refuseLocal: boolean;
  }[] = [];
  readonly trackers = new Map<string, Behaviour>();
  readonly #clock: Clock;
  openRequests = 0;
  openMax = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(request: HttpRequest, done: (result: HttpResponse | TrackerError) => void): Cancel {
    const said = Object.fromEntries(
      (request.url.split('?')[1] ?? '').split('&').map((pair) => pair.split('=', 2) as [string, string]),
    );
    const { url, family, refuseLocal } = request;
    this.requests.push({ at: this.#clock.now(), url, family, said, refuseLocal });
    this.openMax = Math.max(this.openMax, ++this.openRequests);
    const tracker = [...this.trackers].find(([prefix]) => url.startsWith(prefix))?.[1];
    const answer = tracker === undefined ? 'connection refused' : tracker(said, request);
    const wait = answer === null ? request.timeoutMs : 10;
    const timer = this.#clock.at(this.#clock.now() + wait, () => {
      this.openRequests--;
      if (answer === null) done(new TrackerError('no answer', url));
      else if (typeof answer === 'string') done(new TrackerError(answer, url));
      else done({ status: 200, body: encode(answer) });
    });
    let open = true;
    return {
      cancel: () => {
        if (open) this.openRequests--;
        open = false;
        timer.cancel();
      },
    };
  }

  /** Events told to one tracker, in order; a regular announce is `-`. */
  eventsAt(prefix: string): string[] {
    return this.requests.filter(({ url }) => url.startsWith(prefix)).map(({ said }) => said.event ?? '-');
  }
}

/** Names from a table; addresses resolve to themselves. */
export class FakeResolver implements Resolver {
  readonly names = new Map<string, readonly string[]>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  resolve(host: string, family: IpFamily, done: (addresses: readonly string[]) => void): Cancel {
    const all = this.names.get(host) ?? (ipFamily(host) === 0 ? [] : [host]);
    const found = all.filter((address) => ipFamily(address) === family);
    return this.#clock.at(this.#clock.now(), () => done(found));
  }
}

/** UDP servers by address; a datagram takes 10 ms each way. */
export class FakeDatagrams implements DatagramPort {
  readonly sent: { at: number; to: string; bytes: Uint8Array }[] = [];
  readonly servers = new Map<string, (bytes: Uint8Array) => Uint8Array | null>();
  readonly families = new Set<IpFamily>([4, 6]);
  readonly #clock: Clock;
  readonly #receivers = new Set<(bytes: Uint8Array, from: PeerAddress) => boolean>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  send(bytes: Uint8Array, to: PeerAddress): void {
    this.sent.push({ at: this.#clock.now(), to: addressKey(to), bytes: bytes.slice() });
    const answer = this.servers.get(addressKey(to))?.(bytes.slice()) ?? null;
    if (answer !== null) this.#clock.at(this.#clock.now() + 20, () => this.deliver(answer, to));
  }

  /** A datagram that arrives now; true if somebody took it. */
  deliver(bytes: Uint8Array, from: PeerAddress): boolean {
    return [...this.#receivers].some((receiver) => receiver(bytes, from));
  }

  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => boolean): Cancel {
    this.#receivers.add(receiver);
    return { cancel: () => this.#receivers.delete(receiver) };
  }

  supports(family: IpFamily): boolean {
    return this.families.has(family);
  }
}

/** Different bytes each time, the same in each run. */
export class FakeEntropy implements Entropy {
  readonly #rng = new Rng(99);

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#rng.below(256));
  }
}
