import { sha1 } from '../../metainfo/info-hash.ts';
import { compareBytes, equalBytes } from '../../util/bytes.ts';
import { ALLOWED_FAST_COUNT, allowedFastSet } from '../../wire/allowed-fast.ts';
import type { ExtendedHandshake } from '../../wire/extension/extended-handshake.ts';
import { Feature, hasFeature, reservedOf } from '../../wire/handshake.ts';
import { PeerError, type Handshake, type PeerLink } from '../../wire/link.ts';
import { ALLOWED_FAST_SHARE, UPLOAD_QUEUE_MAX } from '../limits.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import { Extensions } from '../peer/extensions.ts';
import { PeerSession } from '../peer/peer-session.ts';
import { extendedMessagesOf } from './extended-messages.ts';
import type { KnownPeer } from './peer-roster.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import { Turnover } from './turnover.ts';

const OUR_FEATURES = reservedOf([Feature.extensions, Feature.fast]);

/** Who may join the swarm of a torrent, and what we say to a peer that did. */
export class Reception {
  readonly #torrent: Torrent;
  readonly #deps: TorrentDeps;
  readonly #messages: readonly ExtendedMessage[];
  readonly #turnover: Turnover;

  constructor(torrent: Torrent, deps: TorrentDeps) {
    this.#torrent = torrent;
    this.#deps = deps;
    this.#messages = extendedMessagesOf(torrent, deps);
    this.#turnover = new Turnover(() => torrent.swarm.sessions, deps.ranks);
  }

  /** Once a second while anybody is connected. */
  onBeat(now: number): void {
    for (const message of this.#messages) message.onBeat?.(now);
  }

  /** Our handshake. */
  greet(link: PeerLink): void {
    const { metaInfo, peerId } = this.#torrent;
    link.handshake({ infoHash: metaInfo.infoHash, peerId, reserved: OUR_FEATURES });
  }

  /**
   * Makes a session of a link whose handshake is here.
   * @throws PeerError if the peer is not welcome.
   */
  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): PeerSession {
    const torrent = this.#torrent;
    this.#check(link, handshake, known);
    if (known) torrent.roster.onConnected(known);
    const fast = hasFeature(handshake.reserved, Feature.fast);
    const session = new PeerSession(torrent, link, { peerId: handshake.peerId.slice(), fast, known });
    link.expectBitfield?.(Math.ceil(torrent.geometry.pieceCount / 8));
    link.attach(session);
    if (hasFeature(handshake.reserved, Feature.extensions)) {
      session.extensions = new Extensions(session, this.#messages, (remote) =>
        this.#onExtendedHandshake(session, remote),
      );
    }
    return session;
  }

  /** What we say first: our extensions, what we have, and what the peer may take while choked. */
  introduce(session: PeerSession): void {
    const { link, fast } = session;
    const { picker, rounds } = this.#torrent;
    const { have } = picker;
    const now = this.#torrent.now();
    this.sendExtendedHandshake(session);
    rounds.firstCopies.review(now);
    if (rounds.firstCopies.keepInTheDark(session, now)) {
      if (fast) link.haveNone();
      rounds.firstCopies.serve(session);
      return;
    }
    if (fast && have.isFull) link.haveAll();
    else if (fast && have.isEmpty) link.haveNone();
    else if (!have.isEmpty) link.bitfield(have.bytes);
    // What everybody lacks goes out once, to those who can pass it on, and not beside the slots to anybody.
    if (fast && !have.isEmpty && !rounds.firstCopies.isActive) this.#allowFast(session);
  }

  /** BEP 10; again when something in it changed. */
  sendExtendedHandshake(session: PeerSession): void {
    session.extensions?.sendHandshake({
      client: this.#deps.clientName,
      listenPort: this.#deps.listenPort(),
      requestQueue: UPLOAD_QUEUE_MAX,
      uploadOnly: this.#torrent.isSeeding,
      metadataSize: null,
    });
  }

  #check(link: PeerLink, { peerId }: Handshake, known: KnownPeer | null): void {
    const { roster, swarm, isActive } = this.#torrent;
    if (!isActive) throw new PeerError('torrent-stopped', 'not now');
    if (equalBytes(peerId, this.#torrent.peerId)) throw new PeerError('self-connection', 'our own peer id');
    if (roster.isBanned(known?.address ?? null, link.remote.host, peerId)) {
      throw new PeerError('banned', 'sent bad data before');
    }
    const { options, connections } = this.#deps;
    const other = swarm.byPeerId(peerId);
    if (connections.free <= 0 || swarm.size >= options.connectionsPerTorrentMax) {
      const isNew = swarm.size === options.connectionsPerTorrentMax && !other;
      if (!isNew || !this.#turnover.makeRoom(link.remote, this.#torrent.now())) {
        throw new PeerError('too-many-connections', 'no connection left');
      }
    }
    if (!other) return;
    // Both dialled at once: both ends keep the connection that the peer with the smaller id opened.
    const keepOutbound = compareBytes(this.#torrent.peerId, peerId) < 0;
    if (other.link.inbound === link.inbound || link.inbound === keepOutbound) {
      // Now we know where it listens, and that it need not be dialled.
      other.known ??= known;
      throw new PeerError('duplicate-connection', 'connected already');
    }
    other.close('duplicate-connection');
  }

  #allowFast(session: PeerSession): void {
    const { infoHash, pieceCount } = this.#torrent.metaInfo;
    const count = Math.min(ALLOWED_FAST_COUNT, Math.floor(pieceCount / ALLOWED_FAST_SHARE));
    const set = allowedFastSet(session.link.remote.host, infoHash, pieceCount, count, sha1);
    session.server.allow(set.filter((piece) => this.#torrent.picker.hasPiece(piece)));
  }

  #onExtendedHandshake(session: PeerSession, remote: ExtendedHandshake): void {
    const { roster, isSeeding } = this.#torrent;
    session.requester.pipeline.setPeerLimit(remote.requestQueue);
    if (remote.yourIp !== null) this.#deps.external.vote(session.link.remote.host, remote.yourIp);
    if (remote.port !== null && !session.known) {
      session.known = roster.add({ host: session.link.remote.host, port: remote.port }, 'inbound');
      if (session.known?.state === 'idle') roster.onConnected(session.known);
    }
    if (remote.uploadOnly && isSeeding) session.close('both-seeds');
  }
}
