import { WebSeedError } from '../../errors.ts';
import { hasPlainHost, hasRealPort, withoutLogin } from '../../metainfo/announce-urls.ts';
import { sha1 } from '../../metainfo/info-hash.ts';
import { readRawPaths } from '../../metainfo/raw-paths.ts';
import type { Clock, RangePort } from '../../ports.ts';
import { concatBytes, utf8 } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import { Feature, reservedOf } from '../../wire/handshake.ts';
import { PeerError } from '../../wire/link.ts';
import { PEER_ID_LENGTH } from '../../wire/peer-id.ts';
import type { SeedFault } from '../transport/range-answer.ts';
import { WebSeedLink, type WebSeedHost } from '../transport/web-seed-link.ts';
import { WebSeedUrls } from '../transport/web-seed-urls.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import type { TorrentObserver } from './torrent-options.ts';
import { SparseMap } from '../../util/sparse-map.ts';

const log = logger('web-seeds');

/** Web seeds of one torrent that are used at a time; the others stand in when one fails. */
const ACTIVE_MAX = 4;
/** Web seeds of one torrent that are known; a .torrent may name as many. */
const KNOWN_MAX = 500;
/** Before the n-th new try of a server that was not reached or broke off, and from then on. */
const RETRY_DELAYS_MS = [5_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000] as const;
/** Before another try of one that has not what we need or does not let us have it. */
const HOPELESS_DELAY_MS = 3_600_000;

/** A torrent full of bad addresses is worth some warnings, not a flood. */
const UNUSABLE_REPORTS_MAX = 10;

/** Web seeds speak BEP 6 as far as it lets them refuse blocks. */
const FEATURES = reservedOf([Feature.fast]);

interface Seed {
  readonly url: string;
  readonly shownUrl: string;
  readonly remote: PeerAddress;
  /** Stands for the URL where peers have their id: bans are by it. */
  readonly peerId: Uint8Array;
  link: WebSeedLink | null;
  failures: number;
  retryAt: number;
}

/**
 * The web servers that have a torrent's files (BEP 19): which of them are in the swarm, and when those that failed are
 * tried again. A private torrent uses them too: they stand in it.
 */
export class WebSeeds {
  readonly #torrent: Torrent;
  readonly #deps: TorrentDeps;
  readonly #observer: Pick<TorrentObserver, 'onWarning'>;
  readonly #seeds = new SparseMap<string, Seed>();
  #host: WebSeedHost | null = null;
  /** The names that the servers know the files by, once they are needed. */
  #paths: readonly (readonly Uint8Array[])[] | null = null;
  #active = 0;
  #unusableCount = 0;

  constructor(torrent: Torrent, deps: TorrentDeps, observer: Pick<TorrentObserver, 'onWarning'>) {
    this.#torrent = torrent;
    this.#deps = deps;
    this.#observer = observer;
    this.add(torrent.options.webSeeds ?? []);
  }

  /**
   * @param urls Checked by `isWebSeedUrl`.
   * @param byUser Then the name of a server may be in any script.
   */
  add(urls: readonly string[], byUser = false): void {
    for (const url of urls) {
      if (this.#seeds.has(url) || this.#seeds.size >= KNOWN_MAX) continue;
      if (!hasRealPort(url)) this.#reportUnusable(url, 'names a port that does not exist');
      else if (!byUser && !hasPlainHost(url))
        this.#reportUnusable(url, 'has a name that may be a look-alike');
      else this.#seeds.set(url, seedOf(url));
    }
    this.fill(this.#torrent.now());
  }

  /** In a turn of its own: nobody listens yet while the torrent is made. */
  #reportUnusable(url: string, why: string): void {
    if (this.#unusableCount++ >= UNUSABLE_REPORTS_MAX) return;
    const { clock } = this.#torrent.world;
    const shownUrl = withoutLogin(url);
    clock.at(clock.now(), () => this.#observer.onWarning(new WebSeedError(`${shownUrl} ${why}`, shownUrl)));
  }

  /** Takes as many into the swarm as there is room for. Also once a second. */
  fill(now: number): void {
    const { roster } = this.#torrent;
    const { clock, web } = this.#torrent.world;
    if (!web || this.#seeds.size === 0 || this.#torrent.state !== 'downloading') return;
    const host = (this.#host ??= this.#hostOf(clock, web));
    for (const seed of this.#seeds.values()) {
      if (this.#active >= ACTIVE_MAX || this.#torrent.freeConnections <= 0) return;
      if (seed.link || seed.retryAt > now) continue;
      if (!roster.isBanned(null, seed.remote.host, seed.peerId)) this.#use(seed, host);
    }
  }

  #use(seed: Seed, host: WebSeedHost): void {
    const { metaInfo } = this.#torrent;
    this.#paths ??= readRawPaths(metaInfo);
    const urls = new WebSeedUrls(seed.url, metaInfo.isSingleFile, this.#paths);
    const { shownUrl, remote, peerId } = seed;
    // A torrent that sends us to our own network with a query would have us press somebody's buttons there.
    const refuseLocal = (this.#deps.trackerOptions.refuseLocal ?? false) || urls.hasQuery;
    const link = new WebSeedLink(host, { shownUrl, urls, remote, refuseLocal });
    try {
      this.#torrent.admit(link, { infoHash: metaInfo.infoHash, peerId, reserved: FEATURES }, null);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      log('%s: not now: %s', shownUrl, error.message);
      return;
    }
    seed.link = link;
    this.#active++;
    link.open();
  }

  #onEnd(link: WebSeedLink, fault: SeedFault | null): void {
    const seed = [...this.#seeds.values()].find((each) => each.link === link);
    if (!seed) return;
    seed.link = null;
    this.#active--;
    const now = this.#torrent.now();
    if (link.receivedBytes > 0) seed.failures = 0;
    if (fault) {
      log('%s: %s', seed.shownUrl, fault.why);
      // One warning for one cause, however often it is tried again.
      if (seed.failures++ === 0)
        this.#observer.onWarning(new WebSeedError(`${seed.shownUrl} ${fault.why}`, seed.shownUrl));
      seed.retryAt = now + delayAfter(fault, seed.failures);
    }
    this.fill(now);
  }

  #hostOf(clock: Clock, web: RangePort): WebSeedHost {
    const { files, geometry, picker } = this.#torrent;
    return {
      clock,
      web,
      geometry,
      fileMap: files.map,
      lanes: this.#deps.webLanes,
      isReceived: (piece, block) => picker.isReceived(piece, block),
      onEnd: (link, fault) => this.#onEnd(link, fault),
    };
  }
}

function delayAfter({ kind, waitMs }: SeedFault, failures: number): number {
  const delay = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length) - 1]!;
  if (kind === 'broken') return delay;
  return kind === 'busy' ? Math.max(waitMs ?? 0, delay) : HOPELESS_DELAY_MS;
}

function seedOf(url: string): Seed {
  const [, scheme, host, port] = /^(https?):\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?/i.exec(url)!;
  const usual = scheme!.toLowerCase() === 'https' ? 443 : 80;
  return {
    url,
    shownUrl: withoutLogin(url),
    remote: { host: host!.replace(/^\[(.*)\]$/, '$1').toLowerCase(), port: Number(port ?? usual) },
    peerId: concatBytes([utf8('-WEBSEED'), sha1(utf8(url))]).subarray(0, PEER_ID_LENGTH),
    link: null,
    failures: 0,
    retryAt: 0,
  };
}
