import { describe, expect, test } from 'vitest';
import { PeerRoster, type KnownPeer } from '../../../src/engine/torrent/peer-roster.ts';
import { PexTimeline, type PexCursor } from '../../../src/engine/torrent/pex-timeline.ts';
import { Rng } from '../../../src/util/rng.ts';

const roster = new PeerRoster(new Rng(1));
const peer = (number: number): KnownPeer =>
  roster.add({ host: `9.9.${number >> 8}.${number & 255}`, port: 1 }, 'user')!;
const everybody = (): boolean => true;

/** What a cursor is told next, by the numbers of the peers. */
function told(
  timeline: PexTimeline,
  cursor: PexCursor,
  max = 50,
  mayTell: (peer: KnownPeer) => boolean = everybody,
) {
  const number = ({ address }: KnownPeer) => {
    const [, , high, low] = address.host.split('.');
    return Number(high) * 256 + Number(low);
  };
  const { added, dropped } = timeline.take(cursor, max, mayTell);
  return { added: added.map(number), dropped: dropped.map(number) };
}

const NOTHING = { added: [], dropped: [] };

describe('what is told of a swarm', () => {
  test('is first who is there, and then what changed', () => {
    const timeline = new PexTimeline();
    const cursor = timeline.cursor();
    for (const number of [1, 2, 3]) timeline.onJoined(peer(number));
    timeline.onLeft(peer(2));
    expect(told(timeline, cursor)).toEqual({ added: [1, 3], dropped: [] });
    expect(told(timeline, cursor)).toEqual(NOTHING);
    timeline.onLeft(peer(1));
    timeline.onJoined(peer(4));
    expect(told(timeline, cursor)).toEqual({ added: [4], dropped: [1] });
    expect(told(timeline, timeline.cursor())).toEqual({ added: [3, 4], dropped: [] });
  });

  test('leaves out what came and went, and what went and came back', () => {
    const timeline = new PexTimeline();
    timeline.onJoined(peer(1));
    const cursor = timeline.cursor();
    told(timeline, cursor);
    timeline.onJoined(peer(2));
    timeline.onLeft(peer(2));
    timeline.onLeft(peer(1));
    timeline.onJoined(peer(1));
    expect(told(timeline, cursor)).toEqual(NOTHING);
  });

  test('keeps for the next message what does not fit, and nobody is in both lists', () => {
    const timeline = new PexTimeline();
    const cursor = timeline.cursor();
    told(timeline, cursor);
    for (let number = 1; number <= 7; number++) timeline.onJoined(peer(number));
    expect(told(timeline, cursor, 3).added).toEqual([1, 2, 3]);
    timeline.onLeft(peer(5));
    expect(told(timeline, cursor, 3)).toEqual({ added: [4, 5, 6], dropped: [] });
    expect(told(timeline, cursor, 3)).toEqual({ added: [7], dropped: [5] });
    expect(told(timeline, cursor, 3)).toEqual(NOTHING);
  });

  test('is not what a peer may not know, neither coming nor going', () => {
    const timeline = new PexTimeline();
    const cursor = timeline.cursor();
    const notTwo = (known: KnownPeer): boolean => known !== peer(2);
    timeline.onJoined(peer(2));
    expect(told(timeline, cursor, 50, notTwo)).toEqual(NOTHING);
    timeline.onJoined(peer(3));
    timeline.onLeft(peer(2));
    expect(told(timeline, cursor, 50, notTwo)).toEqual({ added: [3], dropped: [] });
  });

  test('is with few peers also whom we left in peace, taken back with the next message', () => {
    const timeline = new PexTimeline();
    timeline.onJoined(peer(1));
    timeline.onJoined(peer(2));
    timeline.onLeftInPeace(peer(1));
    const cursor = timeline.cursor();
    expect(told(timeline, cursor)).toEqual({ added: [2, 1], dropped: [] });
    expect(told(timeline, cursor)).toEqual({ added: [], dropped: [1] });
    expect(told(timeline, cursor)).toEqual(NOTHING);
  });

  test('does not take back whom it told as gone lately and who has returned', () => {
    const timeline = new PexTimeline();
    timeline.onLeftInPeace(peer(1));
    const cursor = timeline.cursor();
    expect(told(timeline, cursor).added).toEqual([1]);
    timeline.onJoined(peer(1));
    expect(told(timeline, cursor)).toEqual(NOTHING);
    timeline.onLeft(peer(1));
    expect(told(timeline, cursor)).toEqual({ added: [], dropped: [1] });
  });

  test('names nobody who left while enough are there, and the latest 25 otherwise', () => {
    const full = new PexTimeline();
    for (let number = 1; number <= 25; number++) full.onJoined(peer(number));
    full.onLeftInPeace(peer(99));
    expect(told(full, full.cursor()).added).not.toContain(99);
    const empty = new PexTimeline();
    for (let number = 1; number <= 40; number++) empty.onLeftInPeace(peer(number));
    const cursor = empty.cursor();
    expect(told(empty, cursor).added).toEqual(Array.from({ length: 25 }, (_, i) => 16 + i));
    empty.onLeftInPeace(peer(50));
    expect(told(empty, cursor).added).toEqual([50]);
  });

  test('stays true for a peer told now and then, whatever happens, and small when thousands come and go', () => {
    const rng = new Rng(7);
    const timeline = new PexTimeline();
    const cursor = timeline.cursor();
    const here = new Set<number>();
    const believed = new Set<number>();
    for (let step = 0; step < 5000; step++) {
      const number = rng.below(40);
      if (here.delete(number)) timeline.onLeft(peer(number));
      else {
        here.add(number);
        timeline.onJoined(peer(number));
      }
      if (rng.below(20) > 0) continue;
      const { added, dropped } = told(timeline, cursor);
      for (const gone of dropped) expect(believed.delete(gone)).toBe(true);
      expect(added.filter((come) => believed.has(come))).toEqual([]);
      for (const come of added) believed.add(come);
      expect(believed).toEqual(here);
    }
  });
});
