import type { TrackerInfo } from '../../events.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { Follow, FollowSubject, PeerFinder } from './peer-finder.ts';
import type { TrackerDriver } from './tracker-driver.ts';

/** What all ways of finding peers need to know of a torrent. */
export interface DiscoverySubject extends Omit<FollowSubject, 'onPeers'> {
  readonly infoHash: Uint8Array;
  /** BEP 27: peers come from its trackers and from nowhere else. */
  readonly private: boolean;
  onFound(peers: readonly PeerAddress[], source: PeerFinder['source']): void;
}

/**
 * All the ways in which one torrent finds peers. This is the one gate of BEP 27: what a private torrent may use is
 * decided here and nowhere else.
 */
export class Discovery {
  readonly #trackers: TrackerDriver;
  readonly #finders: readonly PeerFinder[];
  readonly #subject: DiscoverySubject;
  #follows: readonly Follow[] = [];

  constructor(trackers: TrackerDriver, finders: readonly PeerFinder[], subject: DiscoverySubject) {
    this.#trackers = trackers;
    this.#finders = subject.private ? [] : finders;
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
    const subject = this.#subject;
    this.#follows = this.#finders.map((finder) =>
      finder.follow(subject.infoHash, {
        port: () => subject.port(),
        isSeed: () => subject.isSeed(),
        isHungry: () => subject.isHungry(),
        onPeers: (peers) => subject.onFound(peers, finder.source),
      }),
    );
  }

  /** Asks again as soon as manners allow. */
  announceNow(): void {
    this.#trackers.announceNow();
    for (const follow of this.#follows) follow.announceNow();
  }

  /** Tells the trackers that the whole torrent is here. */
  completed(): void {
    this.#trackers.completed();
  }

  /** Leaves: `done` is called when the trackers know, or are too slow to. */
  stop(done: () => void): void {
    for (const follow of this.#follows) follow.stop();
    this.#follows = [];
    this.#trackers.stop(done);
  }
}
