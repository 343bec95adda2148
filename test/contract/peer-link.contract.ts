import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Feature, reservedOf } from '../../src/wire/handshake.ts';
import type { PeerLink } from '../../src/wire/link.ts';
import { brief, patterned, RecordingSink } from '../wire/recording-sink.ts';

/** Two ends of one connection, in the world under test, before any sink is attached. */
export interface LinkPair {
  readonly dialer: PeerLink;
  readonly listener: PeerLink;
  /** Lets the world go on until the condition holds; false if it does not come to hold. */
  until(condition: () => boolean): Promise<boolean>;
  dispose(): Promise<void>;
}

const DIALER_HELLO = {
  infoHash: new Uint8Array(20).fill(0xab),
  peerId: new Uint8Array(20).fill(0x0d),
  reserved: reservedOf([Feature.extensions, Feature.fast, Feature.dht]),
};
const LISTENER_HELLO = { ...DIALER_HELLO, peerId: new Uint8Array(20).fill(0x11) };

/** What every `PeerLink` keeps to, whatever carries it. */
export function peerLinkContract(name: string, makePair: () => Promise<LinkPair>): void {
  describe(`${name} keeps the contract of links:`, () => {
    let pair: LinkPair;
    let dialer: PeerLink;
    let listener: PeerLink;
    let dialerSink: RecordingSink;
    let listenerSink: RecordingSink;

    beforeEach(async () => {
      pair = await makePair();
      ({ dialer, listener } = pair);
      dialerSink = new RecordingSink();
      listenerSink = new RecordingSink();
      dialer.attach(dialerSink);
      listener.attach(listenerSink);
    });

    afterEach(() => pair.dispose());

    async function shakeHands(): Promise<void> {
      dialer.handshake(DIALER_HELLO);
      listener.handshake(LISTENER_HELLO);
      await heard(() => dialerSink.handshakes.length === 1 && listenerSink.handshakes.length === 1);
      dialerSink.calls.length = 0;
      listenerSink.calls.length = 0;
    }

    async function heard(condition: () => boolean): Promise<void> {
      expect(await pair.until(condition)).toBe(true);
    }

    test('one end is inbound, and both know an address of the other', () => {
      expect([dialer.inbound, listener.inbound]).toEqual([false, true]);
      expect(dialer.kind).toBe(listener.kind);
      for (const { remote } of [dialer, listener]) {
        expect(remote.host).not.toBe('');
        expect(remote.port).toBeGreaterThan(0);
      }
    });

    test('handshakes cross', async () => {
      dialer.handshake(DIALER_HELLO);
      await heard(() => listenerSink.handshakes.length === 1);
      expect(listenerSink.calls[0]).toContain('0d'.repeat(20));
      listener.handshake(LISTENER_HELLO);
      await heard(() => dialerSink.handshakes.length === 1);
      expect(dialerSink.calls[0]).toContain('11'.repeat(20));
    });

    test('every message arrives as it was said, in order', async () => {
      await shakeHands();
      const block = patterned(16_384, 6);
      dialer.haveNone();
      dialer.extended(0, patterned(100));
      dialer.bitfield(Uint8Array.of(0xf0));
      dialer.haveAll();
      dialer.unchoke();
      dialer.choke();
      dialer.interested();
      dialer.notInterested();
      dialer.have(3);
      dialer.request(1, 16_384, 16_384);
      dialer.cancel(1, 16_384, 16_384);
      dialer.reject(2, 0, 100);
      dialer.suggest(4);
      dialer.allowedFast(5);
      dialer.port(6881);
      dialer.keepAlive();
      dialer.piece(1, 0, block, null);
      dialer.interested();
      const expected = [
        'have none',
        `extended 0 ${brief(patterned(100))}`,
        'bitfield f0',
        'have all',
        'unchoke',
        'choke',
        'interested',
        'not interested',
        'have 3',
        'request 1 16384 16384',
        'cancel 1 16384 16384',
        'reject 2 0 100',
        'suggest 4',
        'allowed fast 5',
        'port 6881',
        'keep-alive',
        'target 1 0 16384',
        `block 1 0 ${brief(block)}`,
        'interested',
      ];
      await heard(() => listenerSink.calls.length >= expected.length);
      expect(listenerSink.calls).toEqual(expected);
      expect(dialerSink.calls).toEqual([]);
    });

    test('both ends speak at the same time', async () => {
      await shakeHands();
      for (let piece = 0; piece < 50; piece++) {
        dialer.have(piece);
        listener.piece(piece, 0, patterned(5_000, piece), null);
      }
      await heard(() => listenerSink.calls.length >= 50 && dialerSink.calls.length >= 100);
      expect(listenerSink.calls).toEqual(Array.from({ length: 50 }, (_, piece) => `have ${piece}`));
      expect(dialerSink.calls.filter((call) => call.startsWith('block'))).toEqual(
        Array.from({ length: 50 }, (_, piece) => `block ${piece} 0 ${brief(patterned(5_000, piece))}`),
      );
    });

    test('no command calls back in the same turn', async () => {
      await shakeHands();
      let inCommand = false;
      let broken = 0;
      const watch = (): void => {
        if (inCommand) broken++;
      };
      dialerSink.onCall = watch;
      listenerSink.onCall = watch;
      dialerSink.onWritable = watch;
      listenerSink.onWritable = watch;
      inCommand = true;
      dialer.interested();
      dialer.piece(0, 0, patterned(16_384), null);
      listener.request(0, 0, 16_384);
      listener.pauseReading();
      listener.resumeReading();
      listener.discardBlock();
      dialer.close('shutdown');
      inCommand = false;
      await heard(() => dialerSink.closedWith !== null && listenerSink.closedWith !== null);
      expect(broken).toBe(0);
    });

    test('each block source is released exactly once, when the block has arrived', async () => {
      await shakeHands();
      let released = 0;
      for (let i = 0; i < 20; i++) dialer.piece(0, i, patterned(16_384), { release: () => released++ });
      await heard(() => listenerSink.calls.filter((call) => call.startsWith('block')).length === 20);
      await heard(() => released === 20);
      dialer.close('shutdown');
      await heard(() => dialerSink.closedWith !== null);
      expect(released).toBe(20);
    });

    test('each block source is released exactly once when the link is closed on it', async () => {
      await shakeHands();
      let released = 0;
      const source = { release: () => released++ };
      for (let i = 0; i < 20; i++) dialer.piece(0, i, patterned(16_384), source);
      dialer.close('banned');
      dialer.piece(0, 20, patterned(16_384), source);
      await heard(() => dialerSink.closedWith !== null && released === 21);
      expect(released).toBe(21);
    });

    test('each block source is released exactly once when the peer goes away', async () => {
      await shakeHands();
      let released = 0;
      listener.pauseReading();
      const block = patterned(65_536);
      for (let i = 0; i < 200; i++) dialer.piece(0, i, block, { release: () => released++ });
      listener.close('banned');
      await heard(() => dialerSink.closedWith !== null);
      await heard(() => released === 200);
      expect(dialer.queuedBytes).toBe(0);
    });

    test('the sink hears that it may go on when everything was taken', async () => {
      await shakeHands();
      await heard(() => dialer.queuedBytes === 0);
      const before = dialerSink.writableCount;
      dialer.piece(0, 0, patterned(16_384), null);
      expect(dialer.queuedBytes).toBeGreaterThanOrEqual(16_384);
      await heard(() => dialer.queuedBytes === 0 && dialerSink.writableCount > before);
    });

    test('both ends count the same bytes', async () => {
      await shakeHands();
      dialer.piece(0, 0, patterned(1_000), null);
      await heard(() => listenerSink.calls.length === 2 && dialer.queuedBytes === 0);
      expect(dialer.sentBytes).toBe(68 + 13 + 1_000);
      expect(listener.receivedBytes).toBe(68 + 13 + 1_000);
    });

    test('the end that closes hears its own reason, the other that it was closed, each once and last', async () => {
      await shakeHands();
      dialer.close('uninteresting');
      dialer.close('shutdown');
      await heard(() => dialerSink.closedWith !== null && listenerSink.closedWith !== null);
      expect(dialerSink.calls).toEqual(['closed uninteresting']);
      expect(listenerSink.calls).toEqual(['closed closed-by-peer']);
    });

    test('commands after the end do nothing', async () => {
      await shakeHands();
      dialer.close('shutdown');
      dialer.have(1);
      await heard(() => dialerSink.closedWith !== null);
      dialer.have(2);
      dialer.handshake(DIALER_HELLO);
      dialer.discardBlock();
      dialer.pauseReading();
      dialer.resumeReading();
      dialer.close('banned');
      await heard(() => listenerSink.closedWith !== null);
      expect(listenerSink.calls).toEqual(['closed closed-by-peer']);
      expect(dialerSink.calls).toEqual(['closed shutdown']);
    });

    test('what was said before a peaceful end still arrives', async () => {
      await shakeHands();
      dialer.have(7);
      dialer.piece(7, 0, patterned(16_384), null);
      dialer.close('both-seeds');
      await heard(() => listenerSink.closedWith !== null);
      expect(listenerSink.calls.map((call) => call.split(' ')[0])).toEqual([
        'have',
        'target',
        'block',
        'closed',
      ]);
    });

    test('a link that is not read from holds its peer up, and goes on where it was', async () => {
      await shakeHands();
      listener.pauseReading();
      listenerSink.target = () => null;
      const blocks = 200;
      const block = patterned(65_536);
      for (let i = 0; i < blocks; i++) dialer.piece(i, 0, block, null);
      listener.resumeReading();
      await heard(() => listenerSink.payloadBytes === blocks * block.length);
    });

    test('a new sink takes over after the handshake', async () => {
      const session = new RecordingSink();
      listenerSink.onCall = (call) => {
        if (call.startsWith('handshake')) listener.attach(session);
      };
      listener.handshake(LISTENER_HELLO);
      dialer.handshake(DIALER_HELLO);
      dialer.interested();
      await heard(() => session.calls.length === 1);
      expect(session.calls).toEqual(['interested']);
      listener.close('shutdown');
      await heard(() => session.closedWith === 'shutdown');
      expect(listenerSink.calls).toHaveLength(1);
      expect(listenerSink.closedWith).toBeNull();
    });
  });
}
