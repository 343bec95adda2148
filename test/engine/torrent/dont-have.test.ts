import { describe, expect, test } from 'vitest';
import { writeU32 } from '../../../src/util/bytes.ts';
import { Feature } from '../../../src/wire/handshake.ts';
import { LT_DONTHAVE } from '../../../src/wire/extension/lt-donthave.ts';
import { ExtendedVoice } from '../support/extended-peer.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';

const torrent = singleFile(4);
const PIECES = [0, 1, 2, 3];

function index(piece: number): Uint8Array {
  const payload = new Uint8Array(4);
  writeU32(payload, 0, piece);
  return payload;
}

function started(features = [Feature.fast, Feature.extensions]) {
  const bench = new EngineBench();
  const added = bench.add(torrent);
  bench.settle();
  const peer = new FakePeer({ inbound: true, host: '9.0.0.1' });
  bench.transport.accept(peer);
  peer.shakeHands(torrent, features);
  const voice = new ExtendedVoice(peer, []);
  const availability = () => PIECES.map((piece) => added.picker.availability(piece));
  return { bench, added, peer, voice, availability };
}

describe('a have that is taken back (BEP 54)', () => {
  test('lowers the availability of that piece alone, of a seed and of another peer', () => {
    const { peer, voice, availability, added } = started();
    peer.say((sink) => sink.onHaveAll());
    expect(availability()).toEqual([1, 1, 1, 1]);
    voice.say(LT_DONTHAVE, index(2));
    expect(availability()).toEqual([1, 1, 0, 1]);
    voice.say(LT_DONTHAVE, index(2));
    voice.say(LT_DONTHAVE, index(0));
    expect(availability()).toEqual([0, 1, 0, 1]);
    expect(added.swarm.sessions[0]!.wantedCount).toBe(2);
    peer.say((sink) => sink.onHave(2));
    expect(availability()).toEqual([0, 1, 1, 1]);
    peer.hangUp();
    expect(availability()).toEqual([0, 0, 0, 0]);
  });

  test('may end our interest', () => {
    const { peer, voice } = started();
    peer.say((sink) => sink.onHave(1));
    expect(peer.heard()).toContain('interested');
    voice.say(LT_DONTHAVE, index(1));
    expect(peer.heard()).toContain('not interested');
  });

  test('voids the requests for the piece where nobody refuses them (without BEP 6)', () => {
    const { bench, peer, voice, added } = started([Feature.extensions]);
    peer.say(
      (sink) => sink.onBitfield(Uint8Array.of(0xf0)),
      (sink) => sink.onUnchoke(),
    );
    const asked = peer.requests();
    expect(new Set(asked.map(({ piece }) => piece)).size).toBeGreaterThan(1);
    const lost = asked[0]!.piece;
    voice.say(LT_DONTHAVE, index(lost));
    const pipeline = added.swarm.sessions[0]!.requester.pipeline;
    expect(pipeline.outstanding).toBe(asked.filter(({ piece }) => piece !== lost).length);
    // Somebody else is asked for it, as if nobody had been.
    const other = bench.seeder(torrent);
    expect(other.requests().map(({ piece }) => piece)).toContain(lost);
    expect(peer.reason).toBeNull();
  });

  test('leaves it to the peer to refuse, where it does (with BEP 6)', () => {
    const { peer, voice, added } = started();
    peer.say(
      (sink) => sink.onHaveAll(),
      (sink) => sink.onUnchoke(),
    );
    const asked = peer.requests();
    const { piece } = asked[0]!;
    const { pipeline } = added.swarm.sessions[0]!.requester;
    voice.say(LT_DONTHAVE, index(piece));
    expect(pipeline.outstanding).toBe(asked.length);
    for (const { begin, length } of asked.filter((one) => one.piece === piece)) {
      peer.say((sink) => sink.onReject(piece, begin, length));
    }
    expect(pipeline.outstanding).toBe(asked.filter((one) => one.piece !== piece).length);
    expect(peer.requests().filter((one) => one.piece === piece)).toEqual([]);
  });

  test.each([
    ['names no piece', index(4), 'bad-have'],
    ['is too short', new Uint8Array(3), 'bad-message'],
    ['is too long', new Uint8Array(5), 'bad-message'],
  ])('ends the connection when it %s', (_, payload, reason) => {
    const { peer, voice } = started();
    voice.say(LT_DONTHAVE, payload);
    expect(peer.reason).toBe(reason);
  });
});
