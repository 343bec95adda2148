import type { TrackerInfo } from '../../events.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { guard } from '../torrent/bug-boundary.ts';
import type { Follow, FollowSubject, PeerFinder } from './peer-finder.ts';
import { mayFindPeersBy } from './private-gate.ts';
import type { AnnounceSubject, TrackerDriver, TrackerDriverEvents } from './tracker-driver.ts';

/** What all ways of finding peers need to know of a torrent. */
export interface DiscoverySubject extends Omit<FollowSubject, 'onPeers'> {
  readonly infoHash: Uint8Array;
  /** BEP 27: peers come from its trackers and from nowhere else. */
  readonly private: boolean;
  onFound(peers: readonly PeerAddress[], source: PeerFinder['source']): void;
  /** Our own code failed: finders are shared, and another torrent has nothing to do with it. */
  onBug(error: unknown): void;
}

/** All the ways in which one torrent finds peers, as far as a private one may use them (BEP 27). */
export class Discovery {
  readonly #trackers: TrackerDriver;
  #finders: readonly PeerFinder[];
  #subject: DiscoverySubject;
  #follows: readonly Follow[] = [];

  constructor(trackers: TrackerDriver, finders: readonly PeerFinder[], subject: DiscoverySubject) {
    this.#trackers = trackers;
    this.#finders = finders.filter(({ source }) => mayFindPeersBy(source, subject));
    this.#subject = subject;
  }

  trackers(): readonly TrackerInfo[] {
    return this.#trackers.trackers();
  }

  addTrackers(urls: readonly string[]): void {
    this.#trackers.addTrackers(urls);
  }

  start(): void {
    this.#trackers.start();
    if (this.#follows.length > 0) return;
    this.#follows = this.#finders.map((finder) =>
      finder.follow(this.#subject.infoHash, {
        nodes: this.#subject.nodes ?? [],
        mayWait: this.#trackers.trackers().length > 0,
        hasPeers: () => this.#subject.hasPeers?.() ?? false,
        port: () => this.#subject.port(),
        isSeed: () => this.#subject.isSeed(),
        isHungry: () => this.#isHungry(),
        onPeers: guard(
          (peers: readonly PeerAddress[]) => this.#subject.onFound(peers, finder.source),
          (error) => this.#subject.onBug(error),
        ),
      }),
    );
  }

  /**
   * A magnet has become a torrent, and it goes on for that one without telling anybody. If it turned out private, all
   * ways but the trackers end here, at once (BEP 27).
   */
  handOver(subject: DiscoverySubject, announced: AnnounceSubject, events: TrackerDriverEvents): void {
    this.#subject = subject;
    this.#trackers.handOver(announced, events);
    const allowed = this.#finders.filter(({ source }) => mayFindPeersBy(source, subject));
    if (allowed.length === this.#finders.length) return;
    this.#stopFollowing();
    this.#finders = allowed;
  }

  /** Asks again as soon as manners allow; before others if the user says so. */
  announceNow(byUser = false): void {
    this.#trackers.announceNow(byUser);
    for (const follow of this.#follows) follow.announceNow();
  }

  /** Tells the trackers that the whole torrent is here. */
  completed(): void {
    this.#trackers.completed();
  }

  /** Leaves: `done` is called when the trackers know, or are too slow to. */
  stop(done: () => void): void {
    this.#stopFollowing();
    this.#trackers.stop(done);
  }

  /** Finders ask in turns of their own. */
  #isHungry(): boolean {
    let isHungry = false;
    guard(
      () => (isHungry = this.#subject.isHungry()),
      (error) => this.#subject.onBug(error),
    )();
    return isHungry;
  }

  #stopFollowing(): void {
    for (const follow of this.#follows) follow.stop();
    this.#follows = [];
  }
}
