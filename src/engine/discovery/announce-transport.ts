import { TrackerError } from '../../errors.ts';
import type { Cancel, HttpPort, HttpResponse } from '../../ports.ts';
import type { AnnounceRequest, AnnounceResponse } from '../../tracker/announce.ts';
import { announceUrl, HTTP_BODY_MAX, readAnnounceAnswer } from '../../tracker/http-codec.ts';
import type { ScrapeResult } from '../../tracker/scrape.ts';
import { readScrapeAnswer, scrapeUrl } from '../../tracker/scrape.ts';
import type { TrackerUrl } from '../../tracker/tracker-url.ts';
import { hasAnnouncePath } from '../../tracker/tracker-url.ts';
import { assert } from '../../util/assert.ts';
import type { IpFamily } from '../../util/ip.ts';
import { guard, type OnBug } from '../torrent/bug-boundary.ts';
import type { AnnounceLimiter, AnnouncePlace, AnnounceRank } from './announce-limiter.ts';
import { Chain } from './chain.ts';
import type { UdpTrackerClient } from './udp-tracker-client.ts';

/** The whole exchange; libtorrent gives an HTTP tracker as long. */
const HTTP_TIMEOUT_MS = 30_000;
/** Two resends fit in (BEP 15). */
const UDP_TIMEOUT_MS = 60_000;

/** How announces and scrapes reach trackers; shared by all torrents of a client. */
export interface TrackerTransports {
  readonly http: HttpPort | null;
  readonly udp: UdpTrackerClient | null;
  readonly limiter: AnnounceLimiter;
  /** Refuse trackers in local address ranges. */
  readonly refuseLocal: boolean;
  /**
   * Hears of bugs in what a torrent says, and in what it makes of an answer: the limiter and the UDP client are shared, and
   * have nothing to do with it. Default: they are thrown at whoever called.
   */
  readonly onBug?: OnBug;
}

/** Is there a way to speak to it at all? The other functions here may only be called if so. */
export function canReach(transports: TrackerTransports, url: TrackerUrl): boolean {
  return (url.scheme === 'udp' ? transports.udp : transports.http) !== null;
}

/** One announce, to one tracker over one address family. */
export interface Announcement {
  readonly url: TrackerUrl;
  readonly family: IpFamily;
  readonly rank: AnnounceRank;
  /** To be echoed to the tracker. */
  readonly trackerId: Uint8Array | null;
  /** What is said, asked for when its turn has come: that may be in this turn or much later. */
  request(): AnnounceRequest;
}

export function sendAnnounce(
  transports: TrackerTransports,
  announcement: Announcement,
  done: (result: AnnounceResponse | TrackerError) => void,
): Cancel {
  const { udp, refuseLocal, onBug = rethrow } = transports;
  const { url, family, rank, trackerId } = announcement;
  if (url.scheme === 'udp') {
    assert(udp !== null, 'a UDP tracker needs a UDP client');
    return inTurn(transports, url.host, rank, (place) => {
      // All of them share one socket.
      place.leave();
      const options = { timeoutMs: UDP_TIMEOUT_MS, refuseLocal };
      return udp.announce(url, family, announcement.request(), options, guard(done, onBug));
    });
  }
  const target = (): string => announceUrl(url, announcement.request(), trackerId);
  return get(transports, url, target, family, rank, (result) =>
    done(result instanceof TrackerError ? result : readAnnounceAnswer(result.status, result.body, url.text)),
  );
}

/** Asks about at most `SCRAPE_HASHES_MAX` torrents. Any address family will do: the answer is the same. */
export function sendScrape(
  transports: TrackerTransports,
  url: TrackerUrl,
  family: IpFamily,
  infoHashes: readonly Uint8Array[],
  done: (result: ScrapeResult | TrackerError) => void,
): Cancel {
  const { udp, refuseLocal } = transports;
  if (url.scheme === 'udp') {
    assert(udp !== null, 'a UDP tracker needs a UDP client');
    return udp.scrape(url, family, infoHashes, { timeoutMs: UDP_TIMEOUT_MS, refuseLocal }, done);
  }
  const target = scrapeUrl(url, infoHashes);
  assert(target !== null, 'the caller has checked that the tracker has a scrape URL');
  return get(
    transports,
    url,
    () => target,
    family,
    'wanted',
    (result) =>
      done(
        result instanceof TrackerError
          ? result
          : readScrapeAnswer(result.status, result.body, infoHashes, url.text),
      ),
  );
}

function get(
  transports: TrackerTransports,
  tracker: TrackerUrl,
  url: () => string,
  family: IpFamily,
  rank: AnnounceRank,
  done: (result: HttpResponse | TrackerError) => void,
): Cancel {
  const { http, refuseLocal } = transports;
  assert(http !== null, 'an HTTP tracker needs an HTTP client');
  return inTurn(transports, tracker.host, rank, (place) =>
    http.get(
      {
        url: url(),
        family,
        timeoutMs: HTTP_TIMEOUT_MS,
        maxBytes: HTTP_BODY_MAX,
        // A torrent must not make us fetch any path of a machine on our own network, only what can be a tracker.
        refuseLocal: refuseLocal || !hasAnnouncePath(tracker),
      },
      (result) => {
        place.leave();
        // Errors name the tracker, not the URL with our numbers in it.
        done(
          result instanceof TrackerError
            ? new TrackerError(result.message, tracker.text, { cause: result.cause })
            : result,
        );
      },
    ),
  );
}

/** Begins what `start` does when the limiter says so; whoever cancels it gives its place to the next. */
function inTurn(
  { limiter, onBug = rethrow }: TrackerTransports,
  host: string,
  rank: AnnounceRank,
  start: (place: AnnouncePlace) => Cancel,
): Cancel {
  const chain = new Chain();
  const place = limiter.enter(host, rank, (own) => {
    guard(
      () => chain.next(start(own)),
      (error) => {
        own.leave();
        onBug(error);
      },
    )();
  });
  return {
    cancel: () => {
      chain.cancel();
      place.leave();
    },
  };
}

function rethrow(error: unknown): never {
  throw error;
}
