import { sha1 } from '../../metainfo/info-hash.ts';
import { ALLOWED_FAST_COUNT, allowedFastSet } from '../../wire/allowed-fast.ts';
import type { ExtendedHandshake } from '../../wire/extension/extended-handshake.ts';
import { Feature, hasFeature } from '../../wire/handshake.ts';
import { PeerError, type DisconnectReason, type Handshake, type PeerLink } from '../../wire/link.ts';
import { exchangePorts, featuresWith, type DhtPorts } from '../discovery/dht-ports.ts';
import { mayFindPeersBy } from '../discovery/private-gate.ts';
import type { PendingSession } from '../metadata/pending-session.ts';
import { ALLOWED_FAST_SHARE, UPLOAD_QUEUE_MAX } from '../limits.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import { Extensions } from '../peer/extensions.ts';
import { PeerSession } from '../peer/peer-session.ts';
import { checkAdmission } from './admission.ts';
import { extendedMessagesOf } from './extended-messages.ts';
import type { KnownPeer } from './peer-roster.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import { Turnover } from './turnover.ts';

/** Who may join the swarm of a torrent, what we say to a peer that did, and what is left to do when it is gone. */
export class Reception {
  readonly #torrent: Torrent;
  readonly #deps: TorrentDeps;
  /** Null if this torrent has nothing to do with the DHT. */
  readonly #dht: DhtPorts | null;
  // Made for the first peer: most of a client's thousands of torrents never see one.
  #madeMessages: readonly ExtendedMessage[] | null = null;
  #madeTurnover: Turnover | null = null;

  constructor(torrent: Torrent, deps: TorrentDeps) {
    this.#torrent = torrent;
    this.#deps = deps;
    this.#dht = mayFindPeersBy('dht', torrent.metaInfo) ? deps.dht : null;
  }

  get #messages(): readonly ExtendedMessage[] {
    return (this.#madeMessages ??= extendedMessagesOf(this.#torrent, this.#deps));
  }

  get #turnover(): Turnover {
    return (this.#madeTurnover ??= new Turnover(() => this.#torrent.swarm.sessions, this.#deps.ranks));
  }

  /** Once a second while anybody is connected. */
  onBeat(now: number): void {
    for (const message of this.#messages) message.onBeat?.(now);
  }

  /** Our handshake. */
  greet(link: PeerLink): void {
    const { metaInfo, peerId } = this.#torrent;
    link.handshake({ infoHash: metaInfo.infoHash, peerId, reserved: featuresWith(this.#dht) });
  }

  /**
   * Takes a link whose handshake is here into the swarm.
   * @throws PeerError if the peer is not welcome.
   */
  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): void {
    const torrent = this.#torrent;
    const { connections, options } = this.#deps;
    const limits = {
      connections,
      perTorrentMax: options.connectionsPerTorrentMax,
      makeRoom: () => this.#turnover.makeRoom(link.remote, torrent.now()),
    };
    checkAdmission(torrent, limits, link, handshake, known);
    if (known) torrent.roster.onConnected(known);
    const fast = hasFeature(handshake.reserved, Feature.fast);
    const session = new PeerSession(torrent, link, { peerId: handshake.peerId.slice(), fast, known });
    this.#attach(session);
    if (hasFeature(handshake.reserved, Feature.extensions)) this.#extend(session, undefined);
    this.#join(session);
    this.#introduce(session, handshake);
  }

  /** Takes a connection that was made while we did not know the metadata into the swarm. */
  adopt(early: PendingSession): void {
    const session = new PeerSession(this.#torrent, early.link, early);
    this.#attach(session);
    session.weAreInterested = early.weAreInterested;
    session.dhtPorts = this.#dht && early.dhtPorts;
    if (early.extensions) this.#extend(session, early.extensions.remote);
    this.#join(session);
    this.#recall(session, early);
  }

  /** A session has ended. False if it was not of the swarm. */
  farewell(session: PeerSession, reason: DisconnectReason): boolean {
    const { picker, rounds, swarm } = this.#torrent;
    if (!swarm.remove(session)) return false;
    this.#deps.connections.count--;
    session.extensions?.onGone(reason);
    picker.onPeerLeft(session);
    rounds.onGone(session);
    return true;
  }

  #join(session: PeerSession): void {
    this.#torrent.swarm.add(session);
    this.#deps.connections.count++;
    this.#torrent.picker.onPeerJoined(session);
  }

  /** Tells the peer what has changed with us, and the session what the peer has said so far. */
  #recall(session: PeerSession, early: PendingSession): void {
    try {
      this.#sendExtendedHandshake(session);
      session.extensions?.recall();
      early.facts.replay(session);
      session.onBatchEnd();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      session.close(error.reason);
    }
  }

  #attach(session: PeerSession): void {
    session.link.expectBitfield?.(Math.ceil(this.#torrent.geometry.pieceCount / 8));
    session.link.attach(session);
  }

  #extend(session: PeerSession, remote: ExtendedHandshake | undefined): void {
    const onHandshake = (told: ExtendedHandshake): void => this.#onExtendedHandshake(session, told);
    const now = (): number => this.#torrent.now();
    session.extensions = new Extensions(session, this.#messages, onHandshake, now, remote);
  }

  /** What we say first: our extensions, what we have and the peer may take while choked, and where our node is. */
  #introduce(session: PeerSession, { reserved }: Pick<Handshake, 'reserved'>): void {
    this.#sendExtendedHandshake(session);
    this.#tellPieces(session);
    exchangePorts(session, this.#dht, reserved);
  }

  #tellPieces(session: PeerSession): void {
    const { link, fast } = session;
    const { picker, rounds } = this.#torrent;
    const { have } = picker;
    const now = this.#torrent.now();
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
  #sendExtendedHandshake(session: PeerSession): void {
    session.extensions?.sendHandshake({
      client: this.#deps.clientName,
      listenPort: this.#deps.listenPort(),
      requestQueue: UPLOAD_QUEUE_MAX,
      uploadOnly: this.#torrent.isSeeding,
      metadataSize: this.#torrent.metaInfo.private ? null : this.#torrent.metaInfo.infoBytes.length,
    });
  }

  /** We want nothing any more: all are told, so that other seeds need not find it out by dialling us. */
  onComplete(): void {
    this.#torrent.roster.leaveSeedsAlone();
    for (const session of [...this.#torrent.swarm.sessions]) {
      this.#sendExtendedHandshake(session);
      if (session.isSeed) session.close('both-seeds');
    }
  }

  /** We want something again: who believes that we do not would not dial us, nor tell others to. */
  onMissing(): void {
    for (const session of this.#torrent.swarm.sessions) this.#sendExtendedHandshake(session);
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
    if (session.known) session.known.isSeed = remote.uploadOnly || session.isSeed;
    if (remote.uploadOnly && isSeeding) session.close('both-seeds');
  }
}
