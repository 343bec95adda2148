/**
 * A tracker's answers over HTTP (BEP 3), with compact peers (BEP 23), IPv6 (BEP 7), the client's address (BEP 24)
 * and scrapes (BEP 48).
 *
 * A refusal is a dictionary with `failure reason` and status 200: many clients read the body of no other status.
 */
import type { Encodable } from '../../bencode/codec.ts';
import { encode } from '../../bencode/codec.ts';
import { toByteString } from '../../bencode/value.ts';
import { toHex, utf8 } from '../../util/bytes.ts';
import { ipToBytes } from '../../util/ip.ts';
import type { AnnounceEvent } from '../announce.ts';
import { SCRAPE_HASHES_MAX } from '../scrape.ts';
import type { ServedAnnounce, TrackerPolicy } from './announce-policy.ts';
import { serveAnnounce } from './announce-policy.ts';
import type { SwarmView } from './peer-store.ts';
import { compactOf } from './peer-store.ts';
import type { Query } from './query.ts';
import { numberOf, parseQuery, textOf } from './query.ts';

export interface HttpQuestion {
  /** Path and query as they came. */
  readonly target: string;
  /** The client's address in canonical form. */
  readonly from: string;
  /** Our address that it reached, in canonical form; null if unknown. */
  readonly at: string | null;
}

export interface HttpReply {
  readonly status: 200 | 404;
  readonly body: Uint8Array;
}

/** Answers one GET. */
export function answerHttp(policy: TrackerPolicy, question: HttpQuestion, now: number): HttpReply {
  const mark = question.target.indexOf('?');
  const path = mark < 0 ? question.target : question.target.slice(0, mark);
  if (path !== '/announce' && path !== '/scrape') {
    return { status: 404, body: utf8('This is a BitTorrent tracker: /announce and /scrape are here.\n') };
  }
  const query = parseQuery(mark < 0 ? '' : question.target.slice(mark + 1));
  if (query === null) return refusal('the query is malformed');
  return path === '/scrape' ? scrape(policy, query, now) : announce(policy, query, question, now);
}

function announce(policy: TrackerPolicy, query: Query, question: HttpQuestion, now: number): HttpReply {
  const request = readAnnounce(query, question);
  if (typeof request === 'string') return refusal(request);
  const view = serveAnnounce(policy, request, now);
  if (typeof view === 'string') return refusal(view);
  const compact = textOf(query, 'compact') !== '0'; // BEP 23: trackers may refuse anything else, we do not
  const externalIp = ipToBytes(request.from); // BEP 24
  return ok({
    interval: policy.interval,
    'min interval': policy.minInterval,
    complete: view.seeders,
    incomplete: view.leechers,
    downloaded: view.downloads,
    ...(externalIp === null ? {} : { 'external ip': externalIp }),
    ...(compact ? compactPeers(view) : { peers: peerDicts(view, textOf(query, 'no_peer_id') === '1') }),
  });
}

/** A text is the reason of a refusal. */
function readAnnounce(query: Query, question: HttpQuestion): ServedAnnounce | string {
  const infoHash = query.get('info_hash')?.[0];
  const peerId = query.get('peer_id')?.[0];
  const event = textOf(query, 'event');
  if (infoHash?.length !== 20) return 'info_hash must have 20 bytes';
  if (peerId?.length !== 20) return 'peer_id must have 20 bytes';
  return {
    infoHash: toHex(infoHash),
    peerId,
    port: numberOf(query, 'port') ?? 0,
    left: numberOf(query, 'left') ?? 1,
    event: isEvent(event) ? event : null,
    numWant: numberOf(query, 'numwant') ?? -1,
    from: question.from,
    at: question.at,
    bothFamilies: true,
  };
}

/** Others, such as `paused` (BEP 21), count as regular announces. */
function isEvent(text: string): text is AnnounceEvent {
  return text === 'started' || text === 'completed' || text === 'stopped';
}

/** BEP 23, BEP 7. */
function compactPeers(view: SwarmView): { peers: Uint8Array; peers6?: Uint8Array } {
  const peers6 = compactOf(view, 6);
  return { peers: compactOf(view, 4), ...(peers6.length > 0 ? { peers6 } : {}) };
}

/** BEP 3. */
function peerDicts(view: SwarmView, withoutId: boolean): Encodable[] {
  return view.peers.map(({ address, peerId }) => ({
    ip: address.host,
    port: address.port,
    'peer id': withoutId ? undefined : peerId,
  }));
}

function scrape(policy: TrackerPolicy, query: Query, now: number): HttpReply {
  const hashes = query.get('info_hash') ?? [];
  // BEP 48 leaves a scrape of everything open; for a tracker with many torrents it is an attack.
  if (hashes.length === 0) return refusal('name the torrents by info_hash');
  if (hashes.length > SCRAPE_HASHES_MAX) return refusal(`at most ${SCRAPE_HASHES_MAX} torrents at once`);
  if (hashes.some((hash) => hash.length !== 20)) return refusal('info_hash must have 20 bytes');
  const files: Record<string, Encodable> = {};
  for (const hash of hashes) {
    const counts = policy.allows(toHex(hash)) ? policy.store.scrape(toHex(hash), now) : null;
    if (counts === null) continue;
    files[toByteString(hash)] = {
      complete: counts.seeders,
      downloaded: counts.downloads,
      incomplete: counts.leechers,
    };
  }
  return ok({ files });
}

function refusal(reason: string): HttpReply {
  return ok({ 'failure reason': reason });
}

function ok(body: Encodable): HttpReply {
  return { status: 200, body: encode(body) };
}
