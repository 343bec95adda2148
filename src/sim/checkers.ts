import { REQUEST_WINDOW_MAX, UPLOAD_QUEUE_MAX } from '../engine/limits.ts';
import { PeerSession } from '../engine/peer/peer-session.ts';
import type { Torrent } from '../engine/torrent/torrent.ts';
import { InternalError } from '../errors.ts';
import { DEFAULTS } from '../options.ts';
import { assert } from '../util/assert.ts';
import type { PieceSet } from '../util/piece-set.ts';
import { SEND_HIGH_WATER } from '../wire/link.ts';
import { MessageId } from '../wire/message.ts';
import type { SimNetwork } from './network.ts';
import { SimLink } from './sim-link.ts';
import { SimId } from './sim-message.ts';
import type { SimPeer } from './sim-peer.ts';

/** The message that crosses the high-water mark, and what small ones come after it. */
const QUEUE_SLACK_BYTES = 65_536;
/** What answers a request; of a block in two parts the second. */
const ANSWERS = [MessageId.piece, SimId.pieceEnd, MessageId.reject];
const REQUESTS = [MessageId.request];

/**
 * What must hold in a swarm at every moment, whatever the peers do. A breach is a bug and ends the run.
 *
 * It reads the engines' state and never changes it, so a run with checks goes the same way as one without.
 */
export class SwarmChecker {
  /** What each run of a client had when last looked at, and how often it had looked at its disk until then. */
  readonly #before = new WeakMap<Torrent, { readonly have: PieceSet; readonly checksBegun: number }>();
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
      checkBugs(peer);
      if (peer.torrent === null) continue;
      this.#checkHave(peer, peer.torrent);
      checkPieces(peer, peer.torrent);
      this.#mostServed = Math.max(this.#mostServed, checkConnections(peer, peer.torrent));
    }
  }

  /** Nobody loses a piece between two checks of the disk, or says it has one that its disk has not. */
  #checkHave(peer: SimPeer, torrent: Torrent): void {
    const { have } = torrent.picker;
    const { checksBegun } = peer;
    // While it looks at its disk, everything is found out anew, and a pause in the midst of it leaves it at that.
    if (torrent.state === 'checking') return;
    const last = this.#before.get(torrent);
    const before = last?.checksBegun === checksBegun ? last.have : null;
    if (before?.count === have.count) return;
    before?.forEach((piece) => assert(have.has(piece), `${peer.name} lost piece ${piece}`));
    const stored = peer.disk.stored(torrent.metaInfo, torrent.options.dir).pieces;
    have.forEach((piece) =>
      assert(stored.has(piece), `${peer.name} claims piece ${piece} without having it`),
    );
    this.#before.set(torrent, { have: have.clone(), checksBegun });
  }
}

/** A bug of the engine stops its torrent and not the run, so it has to be looked for. */
function checkBugs(peer: SimPeer): void {
  for (const failure of peer.failures) {
    if (failure instanceof InternalError)
      throw new Error(`${peer.name}: ${failure.message}`, { cause: failure });
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
    checkRequests(peer, session);
    if (session.theyAreInterested && !session.weChoke) served++;
  }
  return served;
}

/**
 * Requests match on both ends: each one that we wait for waits over there, or it or its answer is on the way. Over
 * there may be more, since we give up requests that a peer does not answer.
 */
function checkRequests(peer: SimPeer, session: PeerSession): void {
  const { link } = session;
  if (!(link instanceof SimLink) || !link.isOpen || !link.other.isOpen) return;
  const { listener } = link.other;
  if (!(listener instanceof PeerSession) || listener.closed) return;
  const { outstanding } = session.requester.pipeline;
  if (outstanding <= listener.server.queued) return;
  const underWay = link.countUnderWay(REQUESTS) + link.other.countUnderWay(ANSWERS);
  const { queued } = listener.server;
  assert(
    outstanding <= queued + underWay,
    `${peer.name} waits for ${outstanding} blocks of ${session.link.remote.host}, which owes it ${queued} and ${underWay} on their way`,
  );
}
