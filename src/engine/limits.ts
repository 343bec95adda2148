/** Every bound of the engine that a peer, a tracker or time can push against. Bounds of the wire are in `wire/message.ts`. */

const second = 1000;
const minute = 60 * second;

/** How long a connection may take to be made. libtorrent 15 s, rqbit 10 s. */
export const CONNECT_TIMEOUT_MS = 10 * second;
/** From connection to complete handshake, absolute: a byte now and then does not extend it. libtorrent 10 s. */
export const HANDSHAKE_TIMEOUT_MS = 10 * second;
/**
 * Connections accepted that have not told us their torrent yet; more are closed at once, so that ten thousand silent ones
 * cost no more than these. rqbit 256.
 */
export const PENDING_INBOUND_MAX = 256;
/** Connections being made at one time, over all torrents: what home routers bear. */
export const HALF_OPEN_MAX = 100;
/** New dials in a second, over all torrents. libtorrent 30. */
export const DIALS_PER_SECOND = 30;

/** A peer that sent nothing for this long is gone (BEP 3: two minutes). */
export const INACTIVITY_TIMEOUT_MS = 2 * minute;
/** We say something at least this often. BEP 3: keep-alives every two minutes; others use 55 to 100 s. */
export const KEEP_ALIVE_INTERVAL_MS = 60 * second;
/** A connection without interest on either side is given up after this when connections run short. libtorrent 600 s. */
export const USELESS_TIMEOUT_MS = 10 * minute;

/** Known peers of one torrent. libtorrent 3000. */
export const ROSTER_MAX = 3000;
/** Failures in a row after which a peer is forgotten until somebody names it again. libtorrent 3. */
export const DIAL_FAILURES_MAX = 4;
/** Wait before the n-th new try to reach a peer. */
export const RECONNECT_DELAYS_MS = [5 * second, 15 * second, minute] as const;
/** While nobody else is left, peers that were given up are tried this often: the last seed may come back. */
export const LAST_RESORT_DELAY_MS = 45 * second;
/** A torrent without any peer waits so long before it lifts doubtful bans, then twice as long, up to the maximum. */
export const PARDON_DELAY_MIN_MS = 10 * second;
export const PARDON_DELAY_MAX_MS = 60 * minute;
/**
 * Who has peers waits so long before it dials one that it heard of: it has just joined and is dialling everybody, and half
 * of two connections each is work for nothing.
 */
export const HEARSAY_DELAY_MS = 5 * second;
/** Wait before dialling a peer again that closed in good order; it may be full. */
export const REDIAL_AFTER_CLOSE_MS = 10 * second;

/**
 * Handshakes of extensions that are read of one peer in a minute: BEP 10 lets them come again when something changed,
 * which is a few times in the life of a connection. Each may be 64 KiB.
 */
export const EXTENDED_HANDSHAKES_PER_MINUTE = 30;
/** So many in a minute are no mistake any more, as with other messages. */
export const EXTENDED_HANDSHAKES_PER_MINUTE_MAX = 300;

/** Requests that a peer may have waiting here; told to it as `reqq` (BEP 10). libtorrent 2000. */
export const UPLOAD_QUEUE_MAX = 2000;
/** The longest block we serve. BEP 3 practice: 16 KiB; no client asks for more. */
export const REQUEST_LENGTH_MAX = 16_384;
/** Requests while choked or for pieces we lack, after which a peer is not listening. libtorrent 300. */
export const BAD_REQUESTS_MAX = 300;
/** Blocks nobody asked for, after which a peer is wasting our bandwidth on purpose. */
export const UNWANTED_BLOCKS_MAX = 64;
/** Blocks that a peer owes us since before it was snubbed. Twice the largest window: more than one relapse. */
export const LATE_BLOCKS_MAX = 4000;
/** A bitfield or its stand-ins come once (BEP 3, BEP 6); each costs a look at all pieces. */
export const BITFIELDS_MAX = 16;
/**
 * What may wait to be sent to a peer. Blocks stop at `SEND_HIGH_WATER`; so much more is answers to a peer that asks and
 * does not read.
 */
export const SEND_BACKLOG_MAX = 2_097_152;
/** Allowed-fast pieces that a peer may name. Others keep 100; BEP 6 sends about 10. */
export const ALLOWED_FAST_MAX = 100;
/**
 * One of how many pieces is named to a peer as allowed fast, up to BEP 6's k. These pieces go out beside
 * the slots: in a small torrent ten of them are a large part of what everybody lacks, and a seed that gives the same
 * ones to fifty peers at once is slower for all (simulated: 100 peers and 40 pieces take 2.6 times as long).
 */
export const ALLOWED_FAST_SHARE = 100;
/** Suggestions kept of a peer. libtorrent 16. */
export const SUGGESTED_MAX = 16;

/** Requests in flight to one peer, whatever it says it takes. libtorrent 500 (default), anacrolix 963. */
export const REQUEST_WINDOW_MAX = 2000;
/** Requests at the start, before anything is known of the peer. */
export const REQUEST_WINDOW_START = 8;
/** A peer that gives nothing for this long although asked is snubbed. BEP 3's textbook says a minute; libtorrent 20 s. */
export const SNUB_TIMEOUT_MAX_MS = 20 * second;
/** Never call a peer slow before this. */
export const SNUB_TIMEOUT_MIN_MS = 4 * second;

/** Choke rounds come every 10 s (BEP 3). */
export const CHOKE_ROUND_BEATS = 10;

/** A failed write is tried again after this, then twice as long, up to the maximum. */
export const DISK_RETRY_MIN_MS = second;
export const DISK_RETRY_MAX_MS = minute;
/** A changed resume record is saved this often. Transmission 360 s, ours 60 s because a check after a crash costs more. */
export const RESUME_SAVE_INTERVAL_MS = minute;
/** Pieces being read and hashed at one time while checking: enough in a row to go to a disk thread together. */
export const CHECKS_IN_FLIGHT = 32;

/** Bytes read from disk at one time for uploads, at most; one read serves many requests. */
export const READ_EXTENT_LENGTH = 1_048_576;
/** Read-ahead per peer, in extents. */
export const READ_AHEAD_EXTENTS = 3;

/** Pieces of metadata (BEP 9) asked of one peer at once: small metadata arrives in one round trip. Servers queue 64 and more. */
export const METADATA_WINDOW_START = 16;
export const METADATA_WINDOW_MAX = 64;
/** Peers asked for the same piece of metadata at one time, when there is nothing else to ask for. */
export const METADATA_ASKERS_MAX = 4;
/** A piece of metadata that has not come after this is asked of others; libtorrent asks again after 3 s. */
export const METADATA_SLOW_MS = 2 * second;
/** And after this it may be asked of the same peer again. */
export const METADATA_FORGET_MS = 10 * second;
/** A peer that refuses a piece of metadata is left alone for so long. libtorrent 20 s and more. */
export const METADATA_REFUSAL_MS = 20 * second;
/** Whoever sent metadata that is wrong from its first byte to its last is not asked again for so long. libtorrent 5 min. */
export const METADATA_BLOCK_MS = 5 * minute;
export const METADATA_BLOCKED_MAX = 1000;
/** Pieces of a wrong length from one peer. */
export const METADATA_STRIKES_MAX = 3;
/** Peers asked for all of the metadata alone at one time, since one of them lied. */
export const METADATA_SOLO_MAX = 3;
/** What may be held of all claims together, as a multiple of the largest metadata that is taken. */
export const METADATA_HELD_FACTOR = 4;
/**
 * What may be held of unfinished metadata over all magnets: four times the largest that is taken by default, and twice the
 * largest that can be. libtorrent bounds each torrent only (30 MiB).
 */
export const METADATA_MEMORY_MAX = 67_108_864;
/** When that is full, each magnet in turn keeps what it has for so long. 16 MiB in that time take 1.1 Mbit/s. */
export const METADATA_TURN_MS = 2 * minute;
/** Who made way waits for so long before it begins anew. */
export const METADATA_WAIT_MS = 30 * second;
/** A connection that cannot give metadata is given up after this when connections run short. */
export const METADATA_USELESS_MS = 30 * second;
/** What may wait to be sent to a peer before a request for metadata is refused. libtorrent 160 KiB. */
export const METADATA_BACKLOG_MAX = 1_048_576;
/** How often one peer may fetch all of the metadata in one connection, and how many refusals it may collect after it. */
export const METADATA_SERVINGS_MAX = 4;
export const METADATA_REFUSALS_MAX = 1000;
