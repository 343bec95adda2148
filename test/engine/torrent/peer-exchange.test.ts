import { HEARSAY_DELAY_MS } from '../../../src/engine/limits.ts';
import { describe, expect, test } from 'vitest';
import { addressKey, parseAddress } from '../../../src/util/ip.ts';
import { NO_EXTENSIONS, writeExtendedHandshake } from '../../../src/wire/extension/extended-handshake.ts';
import { PexFlag, readPex, UT_PEX, writePex } from '../../../src/wire/extension/ut-pex.ts';
import type { ContentTorrent } from '../../support/content-torrent.ts';
import { ExtendedVoice } from '../support/extended-peer.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';

const THEIR_PORT = 7000;

/** Peers, their addresses on the internet, that dial one torrent and speak PEX. */
function exchange(bench: EngineBench, torrent: ContentTorrent) {
  return (host: string, facts: { port?: number | null } = {}) => {
    const peer = bench.inbound(torrent, { host });
    const voice = new ExtendedVoice(peer, [UT_PEX], { port: THEIR_PORT, ...facts });
    return { peer, voice };
  };
}

/** The messages that a peer was sent, as `+host:port` and `-host:port`. */
function told({ voice }: { voice: ExtendedVoice }): string[][] {
  return voice.heard(UT_PEX).map((payload) => {
    const { added, dropped } = readPex(payload, '127.0.0.1', 1000)!;
    return [
      ...added.map((one) => `+${addressKey(one.address)}`),
      ...dropped.map((one) => `-${addressKey(one)}`),
    ];
  });
}

const named = (...texts: string[]) =>
  writePex({ added: texts.map((text) => ({ address: parseAddress(text)!, flags: 0 })), dropped: [] });

function started(torrent = singleFile(4), has: 'all' | 'nothing' = 'nothing', pex = true) {
  const bench = new EngineBench({ pex });
  if (has === 'all') bench.disk.put(torrent);
  const added = bench.add(torrent);
  bench.settle();
  return { bench, torrent, added, join: exchange(bench, torrent) };
}

describe('what we tell of peers (BEP 11)', () => {
  test('is said soon after the handshake, to each of the others and of none itself', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    bench.seconds(3);
    expect(told(a)).toEqual([]);
    const b = join('9.0.0.2');
    bench.seconds(2);
    expect(told(a)).toEqual([['+9.0.0.2:7000']]);
    expect(told(b)).toEqual([['+9.0.0.1:7000']]);
  });

  test('comes at most once a minute, and then only what changed', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    const b = join('9.0.0.2');
    bench.seconds(2);
    expect(told(a)).toEqual([['+9.0.0.2:7000']]);
    join('9.0.0.3');
    b.peer.hangUp();
    bench.seconds(57);
    expect(told(a)).toEqual([]);
    bench.seconds(5);
    expect(told(a)).toEqual([['+9.0.0.3:7000', '-9.0.0.2:7000']]);
    bench.seconds(120);
    expect(told(a)).toEqual([]);
  });

  test('names where a peer listens, and nobody of whom that is not known', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    join('9.0.0.2', { port: null });
    bench.seconds(2);
    expect(told(a)).toEqual([]);
  });

  test('says who is a seed and whom we dialled ourselves', () => {
    const { bench, torrent, added, join } = started();
    const a = join('9.0.0.1');
    added.onPeersFound([parseAddress('9.0.0.9:5')!], 'user');
    const dialled = new FakePeer({ host: '9.0.0.9', port: 5 });
    bench.transport.dials[0]!.done(dialled);
    dialled.shakeHands(torrent, undefined).say((sink) => sink.onHaveAll());
    bench.seconds(2);
    const [payload] = a.voice.heard(UT_PEX);
    expect(readPex(payload!, '9.0.0.1', 50)!.added).toEqual([
      { address: parseAddress('9.0.0.9:5'), flags: PexFlag.seed | PexFlag.reachable },
    ]);
  });

  test('leads nobody out there into our own network', () => {
    const { bench, join } = started();
    const neighbour = join('192.168.1.5');
    const stranger = join('9.0.0.1');
    bench.seconds(2);
    expect(told(neighbour)).toEqual([['+9.0.0.1:7000']]);
    expect(told(stranger)).toEqual([]);
  });

  test('tells who comes of the seeds that we left because we are one, and takes that back', () => {
    const { bench, torrent, join } = started(singleFile(4), 'all');
    const seed = join('9.0.0.1');
    seed.peer.say((sink) => sink.onHaveAll());
    expect(seed.peer.reason).toBe('both-seeds');
    const a = join('9.0.0.2');
    bench.seconds(2);
    expect(told(a)).toEqual([['+9.0.0.1:7000']]);
    bench.seconds(60);
    expect(told(a)).toEqual([['-9.0.0.1:7000']]);
    expect(torrent.metaInfo.private).toBe(false);
  });

  test('is nothing to who does not understand it, and to who switched it off', () => {
    const { bench, torrent, join } = started();
    const deaf = bench.inbound(torrent, { host: '9.0.0.1' });
    const voice = new ExtendedVoice(deaf, []);
    const a = join('9.0.0.2');
    deaf.payloads.length = 0;
    bench.seconds(2);
    expect(deaf.payloads).toEqual([]);
    expect(voice).toBeDefined();
    expect(told(a)).toEqual([]);
  });
});

describe('what peers tell us', () => {
  const dialled = (bench: EngineBench) => {
    bench.seconds(HEARSAY_DELAY_MS / 1000 + 1);
    return bench.transport.dials.map(({ to }) => addressKey(to));
  };

  test('is dialled unless it finds us first, whoever is known already left out', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    a.voice.say(UT_PEX, named('9.0.0.7:1', '9.0.0.8:2', '9.0.0.1:7000', '9.0.0.2:7000'));
    bench.seconds(1);
    expect(bench.transport.dials).toEqual([]);
    join('9.0.0.2');
    expect(dialled(bench).sort()).toEqual(['9.0.0.7:1', '9.0.0.8:2']);
  });

  test('says who would be encrypted: that is tried first, whatever failed before', () => {
    const bench = new EngineBench({ encryption: 'prefer' });
    const torrent = singleFile(4);
    const added = bench.add(torrent);
    bench.settle();
    const a = exchange(bench, torrent)('9.0.0.1');
    const address = parseAddress('9.0.0.7:7000')!;
    const failsNext = (): string => {
      const { done, encryption } = bench.transport.dials.shift()!;
      const peer = new FakePeer(address);
      done(peer);
      peer.close('closed-by-peer');
      peer.endTurn();
      return encryption === null ? 'plain' : 'encrypted';
    };
    added.onPeersFound([address], 'tracker');
    expect([failsNext(), failsNext()]).toEqual(['encrypted', 'plain']);
    bench.seconds(10);
    // The last that was tried comes first.
    expect([failsNext(), failsNext()]).toEqual(['plain', 'encrypted']);
    bench.seconds(30);
    expect([failsNext(), failsNext()]).toEqual(['encrypted', 'plain']);
    const flags = PexFlag.prefersEncryption;
    a.voice.say(UT_PEX, writePex({ added: [{ address, flags }], dropped: [] }));
    bench.seconds(100);
    expect(failsNext()).toBe('encrypted');
  });

  test('leads into our own network only from within', () => {
    const { bench, join } = started();
    join('9.0.0.1').voice.say(UT_PEX, named('192.168.1.1:8000', '127.0.0.1:2200'));
    expect(dialled(bench)).toEqual([]);
    // And nowhere to where the services of the network are.
    join('192.168.1.5').voice.say(UT_PEX, named('192.168.1.1:8000', '192.168.1.1:80', '127.0.0.1:22'));
    expect(dialled(bench)).toEqual(['192.168.1.1:8000']);
  });

  test('is not heard twice within 45 seconds, and costs the connection when it comes all the time', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    a.voice.say(UT_PEX, named('9.0.0.7:1'));
    a.voice.say(UT_PEX, named('9.0.0.8:1'));
    expect(dialled(bench)).toEqual(['9.0.0.7:1']);
    bench.seconds(44);
    a.voice.say(UT_PEX, named('9.0.0.9:1'));
    expect(dialled(bench)).toContain('9.0.0.9:1');
    for (let i = 0; i < 7; i++) a.voice.say(UT_PEX, named());
    expect(a.peer.reason).toBe('message-flood');
  });

  test('fills the roster no further than one peer is believed, however long it goes on', () => {
    const { bench, added, join } = started();
    const liar = join('9.0.0.1');
    let made = 0;
    for (let minute = 0; minute < 20; minute++) {
      const batch = Array.from({ length: 50 }, () => `44.${made >> 8}.${made++ & 255}.1:1`);
      liar.voice.say(UT_PEX, named(...batch));
      // Who answers and says nothing is soon left; it must say something.
      liar.peer.say((sink) => sink.onKeepAlive());
      bench.seconds(60);
    }
    expect(added.roster.size).toBeGreaterThan(200);
    expect(added.roster.size).toBeLessThan(201 + 20 * 25);
  });

  test('counts on after a peer has switched it off and on again', () => {
    const { bench, added, join } = started();
    const liar = join('9.0.0.1');
    const isOn = (id: number) =>
      writeExtendedHandshake({ ...NO_EXTENSIONS, messages: new Map([[UT_PEX, id]]), port: THEIR_PORT });
    for (let round = 0; round < 5; round++) {
      const batch = Array.from({ length: 200 }, (_, i) => `44.${round}.${i}.1:1`);
      liar.voice.say(UT_PEX, named(...batch));
      for (const id of [0, 40]) liar.peer.say((sink) => sink.onExtended(0, isOn(id)));
    }
    expect(added.roster.size).toBe(201);
    // Who answers and says nothing is soon left; it must say something.
    liar.peer.say((sink) => sink.onKeepAlive());
    bench.seconds(50);
    expect(liar.peer.reason).toBeNull();
    liar.voice.say(UT_PEX, named('45.0.0.1:1'));
    expect(added.roster.get(parseAddress('45.0.0.1:1')!)).toBeDefined();
  });

  test('brings no seeds to a seed', () => {
    const { bench, join } = started(singleFile(4), 'all');
    const seed = { address: parseAddress('9.0.0.7:1')!, flags: PexFlag.seed };
    const other = { address: parseAddress('9.0.0.8:1')!, flags: 0 };
    join('9.0.0.1').voice.say(UT_PEX, writePex({ added: [seed, other], dropped: [] }));
    expect(dialled(bench)).toEqual(['9.0.0.8:1']);
  });

  test('closes no connection, whomever they say they lost', () => {
    const { bench, join } = started();
    const a = join('9.0.0.1');
    const b = join('9.0.0.2');
    const gone = writePex({
      added: [],
      dropped: [parseAddress('9.0.0.2:7000')!, parseAddress('9.9.9.9:1')!],
    });
    a.voice.say(UT_PEX, gone);
    bench.seconds(1);
    expect([a.peer.reason, b.peer.reason]).toEqual([null, null]);
  });

  test('may be anything', () => {
    const { join } = started();
    const a = join('9.0.0.1');
    for (const payload of [new Uint8Array(0), Uint8Array.of(0x64), new Uint8Array(5000).fill(0x64)]) {
      a.voice.say(UT_PEX, payload);
    }
    expect(a.peer.reason).toBeNull();
  });
});

describe('a torrent without peer exchange', () => {
  const open = singleFile(4, 32_768, 'private.bin');
  const isPrivate: ContentTorrent = { ...open, metaInfo: { ...open.metaInfo, private: true } };

  test.each([
    ['a private one (BEP 27)', isPrivate, true],
    ['one whose user does not want it', singleFile(4), false],
  ])('%s neither offers, sends nor hears it', (_, torrent, pex) => {
    const { bench, join } = started(torrent, 'nothing', pex);
    const a = join('9.0.0.1');
    const b = join('9.0.0.2');
    expect([...a.voice.theirs.messages.keys()]).not.toContain(UT_PEX);
    const before = b.peer.payloads.length;
    for (let id = 1; id < 10; id++) b.peer.say((sink) => sink.onExtended(id, named('9.0.0.7:1')));
    bench.seconds(300);
    expect(told(a)).toEqual([]);
    expect(bench.transport.dials.map(({ to }) => to.host)).not.toContain('9.0.0.7');
    expect(b.peer.payloads).toHaveLength(before);
  });
});
