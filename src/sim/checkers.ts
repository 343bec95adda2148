import { REQUEST_WINDOW_MAX, UPLOAD_QUEUE_MAX } from '../engine/limits.ts';
import type { Torrent } from '../engine/torrent/torrent.ts';
import { DEFAULTS } from '../options.ts';
import { assert } from '../util/assert.ts';
import type { PieceSet } from '../util/piece-set.ts';
import { SEND_HIGH_WATER } from '../wire/link.ts';
import type { SimNetwork } from './network.ts';
import type { SimPeer } from './sim-peer.ts';

/** The message that crosses the high-water mark, and what small ones come after it. */
const QUEUE_SLACK_BYTES = 65_536;

/**
 * What must hold in a swarm at every moment, whatever the peers do. A breach is a bug and ends the run.
 *
 * It reads the engines' state and never changes it, so a run with checks goes the same way as one without.
 */
export class SwarmChecker {
  /** What each run of a client had when last looked at. */
  readonly #before = new WeakMap<Torrent, PieceSet>();
  #checks = 0;
  #mostServed = 0;

  get checks(): number {
    return this.#checks;
  }

  /**
   * The most peers that anybody was seen to serve at one time. There is no bound on it at every moment: one that is not
   * interested may be unchoked without a slot, and is served when it becomes interested, until the next round (BEP 3).
   */
  get mostServed(): number {
    return this.#mostServed;
  }

  check(network: SimNetwork, peers: readonly SimPeer[]): void {
    this.#checks++;
    checkBytes(network);
    for (const peer of peers) {
      if (peer.torrent === null) continue;
      this.#checkHave(peer, peer.torrent);
      checkPieces(peer, peer.torrent);
      this.#mostServed = Math.max(this.#mostServed, checkConnections(peer, peer.torrent));
    }
  }

  /** Nobody loses a piece between two checks of the disk, or says it has one that its disk has not. */
  #checkHave(peer: SimPeer, torrent: Torrent): void {
    const { have } = torrent.picker;
    if (torrent.state === 'checking') {
      // Everything is found out anew, after a pause or because somebody asked for it.
      this.#before.delete(torrent);
      return;
    }
    const before = this.#before.get(torrent);
    if (before?.count === have.count) return;
    before?.forEach((piece) => assert(have.has(piece), `${peer.name} lost piece ${piece}`));
    const stored = peer.disk.stored(torrent.metaInfo, torrent.options.dir).pieces;
    have.forEach((piece) =>
      assert(stored.has(piece), `${peer.name} claims piece ${piece} without having it`),
    );
    this.#before.set(torrent, have.clone());
  }
}

/** What left some host has reached another, is on its way, or was on its way to one that is gone. */
function checkBytes(network: SimNetwork): void {
  let sent = 0;
  let accounted = 0;
  for (const { uplink, downlink } of network.hosts) {
    sent += uplink.sentBytes;
    accounted += downlink.receivedBytes + downlink.inFlightBytes + downlink.lostBytes;
  }
  assert(sent === accounted, `${sent} bytes were sent, and ${accounted} are known of`);
}

/** A piece is missing, being assembled, or ours; never two of them. */
function checkPieces(peer: SimPeer, torrent: Torrent): void {
  for (const { piece, receivedCount } of torrent.assembler.pieces()) {
    assert(!torrent.picker.hasPiece(piece), `${peer.name} assembles piece ${piece}, which it has`);
    const blocks = torrent.geometry.blockCount(piece);
    assert(
      receivedCount <= blocks,
      `${peer.name} got ${receivedCount} blocks of ${blocks} of piece ${piece}`,
    );
  }
}

/** Connections and queues are within their limits. Returns how many peers are served at this moment. */
function checkConnections(peer: SimPeer, torrent: Torrent): number {
  const engine = { ...DEFAULTS, ...peer.options.engine };
  const { sessions } = torrent.swarm;
  assert(
    // One that makes way for another is gone a turn later.
    sessions.length <= engine.connectionsPerTorrentMax + 1,
    `${peer.name} has ${sessions.length} connections, more than ${engine.connectionsPerTorrentMax}`,
  );
  let served = 0;
  for (const session of sessions) {
    const { outstanding } = session.requester.pipeline;
    const { queuedBytes } = session.link;
    assert(outstanding <= REQUEST_WINDOW_MAX, `${peer.name} asks one peer for ${outstanding} blocks`);
    assert(
      session.server.queued <= UPLOAD_QUEUE_MAX,
      `${peer.name} queues ${session.server.queued} requests`,
    );
    assert(
      queuedBytes <= SEND_HIGH_WATER + QUEUE_SLACK_BYTES,
      `${peer.name} has ${queuedBytes} bytes waiting for one peer`,
    );
    if (session.theyAreInterested && !session.weChoke) served++;
  }
  return served;
}
