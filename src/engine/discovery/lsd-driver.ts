import { readAnnouncement, writeAnnouncements } from '../../lsd/lsd.ts';
import { LsdSchedule } from '../../lsd/schedule.ts';
import type { Cancel, MulticastPort, World } from '../../ports.ts';
import { fromHex, toHex } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { Rng } from '../../util/rng.ts';
import { TokenBucket } from '../../util/token-bucket.ts';
import type { Follow, FollowSubject, PeerFinder } from './peer-finder.ts';

/** Announcements read per second; a neighbour that sends more is not worth the time. Transmission 10. */
const READ_PER_SECOND = 10;
/** Bytes of our cookie: enough not to take another's for ours. */
const COOKIE_BYTES = 8;

/** Finds peers on the local network (BEP 14): announces our torrents there, and hears what others announce. */
export class LsdDriver implements PeerFinder {
  readonly source = 'lsd';
  readonly #clock: World['clock'];
  readonly #port: MulticastPort;
  readonly #cookie: string;
  readonly #schedule: LsdSchedule;
  readonly #budget: TokenBucket;
  /** By info hash in hexadecimal. */
  readonly #subjects = new Map<string, FollowSubject>();
  #listening: Cancel | null = null;
  #timer: { readonly at: number; readonly cancel: Cancel } | null = null;

  constructor({ clock, entropy }: Pick<World, 'clock' | 'entropy'>, port: MulticastPort, rng: Rng) {
    this.#clock = clock;
    this.#port = port;
    this.#cookie = toHex(entropy.bytes(COOKIE_BYTES));
    this.#schedule = new LsdSchedule(rng);
    this.#budget = new TokenBucket(READ_PER_SECOND, 1000, clock.now());
  }

  follow(infoHash: Uint8Array, subject: FollowSubject): Follow {
    const key = toHex(infoHash);
    this.#subjects.set(key, subject);
    this.#listening ??= this.#port.onMessage((bytes, from) => this.#onMessage(bytes, from));
    this.#schedule.add(key, this.#clock.now());
    this.#wait();
    return {
      announceNow: () => {
        this.#schedule.hurry(key, this.#clock.now());
        this.#wait();
      },
      stop: () => {
        if (this.#subjects.get(key) === subject) this.#forget(key);
      },
    };
  }

  /** Neither speaks nor listens any more. */
  close(): void {
    this.#timer?.cancel.cancel();
    this.#timer = null;
    this.#listening?.cancel();
    this.#listening = null;
    this.#subjects.clear();
  }

  #forget(key: string): void {
    this.#subjects.delete(key);
    this.#schedule.remove(key);
    this.#wait();
    if (this.#subjects.size > 0) return;
    this.#listening?.cancel();
    this.#listening = null;
  }

  /** One timer, for the earliest deadline. */
  #wait(): void {
    const at = this.#schedule.nextDeadline();
    if (this.#timer?.at === at) return;
    this.#timer?.cancel.cancel();
    this.#timer = null;
    if (at === Infinity) return;
    const cancel = this.#clock.at(at, () => {
      this.#timer = null;
      this.#announce();
      this.#wait();
    });
    this.#timer = { at, cancel };
  }

  #announce(): void {
    const byPort = new Map<number, Uint8Array[]>();
    for (const key of this.#schedule.take(this.#clock.now())) {
      const port = this.#subjects.get(key)!.port();
      // Who cannot be reached has nothing to announce.
      if (port > 0) byPort.set(port, [...(byPort.get(port) ?? []), fromHex(key)!]);
    }
    for (const [port, infoHashes] of byPort) {
      for (const family of [4, 6] as const) {
        const datagrams = writeAnnouncements({ port, infoHashes, cookie: this.#cookie }, family);
        for (const datagram of datagrams) this.#port.send(datagram, family);
      }
    }
  }

  #onMessage(bytes: Uint8Array, from: PeerAddress): void {
    if (this.#budget.available(this.#clock.now()) < 1) return;
    this.#budget.take(1);
    const announcement = readAnnouncement(bytes);
    if (!announcement || announcement.cookie === this.#cookie) return;
    const peer = { host: from.host, port: announcement.port };
    // The same torrent many times in a datagram is still one.
    for (const key of new Set(announcement.infoHashes.map(toHex))) this.#subjects.get(key)?.onPeers([peer]);
  }
}
