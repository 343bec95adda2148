import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { ListenError } from '../../src/errors.ts';
import { LINGERING_MAX } from '../../src/node/tcp-stream.ts';
import { PENDING_INBOUND_MAX } from '../../src/engine/limits.ts';
import { TcpTransport, type TcpTransportOptions } from '../../src/node/tcp-transport.ts';
import { canHaveOwnBuffer } from '../../src/node/accepted-socket.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { mseTools } from '../../src/node/key-exchange.ts';
import { equalBytes, writeU32 } from '../../src/util/bytes.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { reservedOf } from '../../src/wire/handshake.ts';
import type { PeerLink } from '../../src/wire/link.ts';
import {
  Initiator,
  obfuscatedName,
  PLAINTEXT,
  RC4,
  type InboundEncryption,
} from '../../src/wire/mse/negotiation.ts';
import { peerLinkContract } from '../contract/peer-link.contract.ts';
import { until } from '../support/until.ts';
import { brief, patterned, RecordingSink } from '../wire/recording-sink.ts';

const HAS_IPV6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
const HELLO = { infoHash: new Uint8Array(20), peerId: new Uint8Array(20), reserved: reservedOf([]) };
const clock = new SystemClock();

peerLinkContract('TCP over IPv4', () => tcpPair('127.0.0.1'));
if (HAS_IPV6) peerLinkContract('TCP over IPv6', () => tcpPair('::1'));
peerLinkContract('TCP with accepted sockets read by events', () => tcpPair('127.0.0.1', false));

describe('listening', () => {
  test('takes a free port for port 0 and says which', async () => {
    await using open = await opened({ port: 0 });
    expect(open.transport.listenPort).toBeGreaterThan(0);
  });

  test('takes connections of both families on one port, IPv4 addresses in their own form', async () => {
    await using open = await opened({ port: 0 });
    const remotes: string[] = [];
    open.transport.onInbound((link) => {
      remotes.push(link.remote.host);
      link.close('shutdown');
    });
    const hosts = HAS_IPV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
    for (const host of hosts) {
      const socket = plainSocket(open.transport.listenPort, host);
      expect(await until(() => remotes.includes(host))).toBe(true);
      socket.destroy();
    }
  });

  test('fails with a ListenError that names the port when it is taken', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const port = open.transport.listenPort;
    const failure: unknown = await TcpTransport.open({ clock, port, host: '127.0.0.1' }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ListenError);
    expect(failure).toMatchObject({ code: 'ERR_LISTEN', port });
    expect((failure as Error).message).toContain('in use');
  });

  test('takes any other port when that is allowed', async () => {
    await using first = await opened({ port: 0 });
    const port = first.transport.listenPort;
    await using second = await opened({ port, orAnyPort: true });
    expect(second.transport.listenPort).toBeGreaterThan(0);
    expect(second.transport.listenPort).not.toBe(port);
  });

  test('fails with a ListenError for an address that is not of this machine', async () => {
    const failure: unknown = await TcpTransport.open({ clock, port: 0, host: '192.0.2.1' }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ListenError);
  });

  test('can be left out', async () => {
    await using open = await opened({ port: null });
    expect(open.transport.listenPort).toBe(0);
  });

  test('closes connections beyond the cap of those that have said nothing, until some of them speak or go', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const links: PeerLink[] = [];
    const sinks: RecordingSink[] = [];
    open.transport.onInbound((link) => {
      const sink = new RecordingSink();
      link.attach(sink);
      sinks.push(sink);
      links.push(link);
    });
    const port = open.transport.listenPort;
    let refused = 0;
    const dial = (): Socket => plainSocket(port, '127.0.0.1').on('close', () => refused++);
    const sockets = Array.from({ length: PENDING_INBOUND_MAX + 20 }, dial);
    expect(await until(() => refused === 20 && links.length === PENDING_INBOUND_MAX)).toBe(true);
    // One that has sent its handshake and one that is gone make room for two.
    const live = sockets.filter((socket) => !socket.destroyed);
    live[0]!.write(handshakeBytes());
    live[1]!.destroy();
    expect(await until(() => links.some((link) => link.receivedBytes === 68))).toBe(true);
    expect(await until(() => sinks.some((sink) => sink.closedWith === 'closed-by-peer'))).toBe(true);
    sockets.push(dial(), dial());
    expect(await until(() => links.length === PENDING_INBOUND_MAX + 2)).toBe(true);
    for (const socket of sockets) socket.destroy();
  });

  test('closes connections nobody listens for', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    let closed = false;
    plainSocket(open.transport.listenPort, '127.0.0.1').on('close', () => (closed = true));
    expect(await until(() => closed)).toBe(true);
  });
});

describe('dialling', () => {
  test.each([
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port: 70_000 },
    { host: '127.0.0.1', port: -1 },
    { host: '127.0.0.1', port: Number.NaN },
    { host: '0.0.0.0', port: 6881 },
    { host: '::', port: 6881 },
    { host: '224.0.0.1', port: 6881 },
    { host: '255.255.255.255', port: 6881 },
    { host: 'fe80::1', port: 6881 },
    { host: 'fe80::1%lo', port: 6881 },
    { host: 'localhost', port: 6881 },
    { host: '', port: 6881 },
  ])('of $host port $port fails in a later turn, without an exception', async (address) => {
    await using open = await opened({ port: null });
    const results = dial(open.transport, address);
    expect(results).toEqual([]);
    expect(await until(() => results.length > 0)).toBe(true);
    expect(results).toEqual(['connect-failed']);
  });

  test('of a port where nobody listens fails', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const port = open.transport.listenPort;
    await open.transport.close();
    await using other = await opened({ port: null });
    const results = dial(other.transport, { host: '127.0.0.1', port });
    expect(await until(() => results.length > 0)).toBe(true);
    expect(results).toEqual(['connect-failed']);
  });

  test('that gets no answer ends at its time', async () => {
    await using full = await fullBacklog();
    await using open = await opened({ port: null });
    const results = dial(open.transport, full.address, 50);
    expect(await until(() => results.length > 0)).toBe(true);
    expect(results).toEqual(['connect-timeout']);
  });

  test('that is cancelled never reports', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    open.transport.onInbound((link) => link.close('shutdown'));
    const address = { host: '127.0.0.1', port: open.transport.listenPort };
    const results: unknown[] = [];
    const cancel = open.transport.dial(address, 1_000, (result) => results.push(result));
    cancel.cancel();
    cancel.cancel();
    const others = dial(open.transport, address);
    expect(await until(() => others.length > 0)).toBe(true);
    expect(results).toEqual([]);
  });

  test('is refused once the transport is closed', async () => {
    await using open = await opened({ port: null });
    await open.transport.close();
    const results = dial(open.transport, { host: '127.0.0.1', port: 1 });
    expect(await until(() => results.length > 0)).toBe(true);
    expect(results).toEqual(['connect-failed']);
  });
});

describe('a connection', () => {
  test('that is reset by the peer ends with a reason, at whatever moment', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const sinks: RecordingSink[] = [];
    open.transport.onInbound((link) => {
      const sink = new RecordingSink();
      sinks.push(sink);
      link.attach(sink);
      link.handshake(HELLO);
      for (let i = 0; i < 64; i++) link.piece(0, 0, new Uint8Array(65_536), null);
    });
    for (const moment of ['at once', 'in the handshake', 'in a message', 'while we write'] as const) {
      const before = sinks.length;
      const socket = plainSocket(open.transport.listenPort, '127.0.0.1');
      if (moment === 'in the handshake') socket.write(handshakeBytes().subarray(0, 30));
      if (moment === 'in a message') socket.write(Buffer.concat([handshakeBytes(), Buffer.from([0, 0, 0])]));
      if (moment === 'while we write') {
        expect(await until(() => socket.bytesRead > 0)).toBe(true);
      } else {
        expect(await until(() => sinks.length > before || socket.destroyed)).toBe(true);
      }
      socket.resetAndDestroy();
      expect(await until(() => sinks.length > before && sinks[before]!.closedWith !== null)).toBe(true);
      expect(['closed-by-peer', 'connection-error']).toContain(sinks[before]!.closedWith);
    }
  });

  test('that begins with a byte of no handshake is closed at once where nobody takes encrypted ones', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const sink = new RecordingSink();
    open.transport.onInbound((link) => link.attach(sink));
    let closed = false;
    const socket = plainSocket(open.transport.listenPort, '127.0.0.1').on('close', () => (closed = true));
    socket.write(Buffer.from([0x7f]));
    expect(await until(() => closed)).toBe(true);
    expect(sink.calls).toEqual(['closed bad-handshake']);
  });

  test('many at a time through one receive buffer keep their bytes apart', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const received = new Map<number, RecordingSink>();
    open.transport.onInbound((link) => {
      const sink = new RecordingSink();
      link.attach(sink);
      sink.onCall = (call) => {
        if (call.startsWith('handshake')) received.set(sink.handshakes[0]!.peerId[0]!, sink);
      };
    });
    const count = 20;
    for (let i = 0; i < count; i++) {
      const address = { host: '127.0.0.1', port: open.transport.listenPort };
      open.transport.dial(address, 5_000, (link) => {
        if (typeof link === 'string') return;
        link.attach(new RecordingSink());
        link.handshake({ ...HELLO, peerId: new Uint8Array(20).fill(i) });
        for (let piece = 0; piece < 30; piece++) link.piece(piece, i, patterned(16_384, i + piece), null);
      });
    }
    const whole = 1 + 2 * 30;
    expect(
      await until(
        () => received.size === count && [...received.values()].every((sink) => sink.calls.length === whole),
      ),
    ).toBe(true);
    for (const [i, sink] of received) {
      const expected = new RecordingSink();
      for (let piece = 0; piece < 30; piece++) {
        expected.blockTarget(piece, i, 16_384)!.set(patterned(16_384, i + piece));
        expected.onBlock(piece, i, 16_384);
      }
      expect(sink.calls.slice(1)).toEqual(expected.calls);
    }
  });

  test.each(['dialled', 'accepted'])(
    '(%s) reads no more at a time than it is told to, and all again later',
    async (end) => {
      await using open = await opened({ port: 0, host: '127.0.0.1' });
      const { dialer, listener } = await bothEnds(open.transport, '127.0.0.1');
      const [reader, writer] = end === 'accepted' ? [listener, dialer] : [dialer, listener];
      const sink = new RecordingSink();
      const reads: number[] = [];
      let before = 0;
      sink.onBatchEnd = () => {
        reads.push(reader.receivedBytes - before);
        before = reader.receivedBytes;
      };
      reader.attach(sink);
      writer.attach(new RecordingSink());
      reader.limitReads!(1_000);
      writer.handshake(HELLO);
      writer.piece(0, 0, patterned(16_384), null);
      const first = 68 + 13 + 16_384;
      expect(await until(() => before === first)).toBe(true);
      // The first read was asked for before we said so.
      expect(Math.max(...reads.splice(0).slice(1))).toBeLessThanOrEqual(1_000);
      reader.limitReads!(Infinity);
      reader.pauseReading();
      writer.keepAlive();
      for (let piece = 1; piece <= 4; piece++) writer.piece(piece, 0, patterned(16_384, piece), null);
      reader.resumeReading();
      expect(await until(() => before === first + 4 + 4 * (13 + 16_384))).toBe(true);
      expect(Math.max(...reads)).toBeGreaterThan(1_000);
      expect(sink.calls.filter((call) => call.startsWith('block'))).toHaveLength(5);
    },
  );

  test('that has much to give gives no more than 1 MiB in a turn, and all of it in the end', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const { dialer: reader, listener: writer } = await bothEnds(open.transport, '127.0.0.1');
    reader.attach(new RecordingSink());
    writer.attach(new RecordingSink());
    reader.limitReads!(65_536);
    reader.pauseReading();
    writer.handshake(HELLO);
    const block = patterned(16_384);
    for (let piece = 0; piece < 512; piece++) writer.piece(piece, 0, block, null);
    // Until the system takes no more.
    let queued = Infinity;
    await until(() => queued === (queued = writer.queuedBytes));
    reader.resumeReading();
    let before = 0;
    let most = 0;
    const done = await until(() => {
      most = Math.max(most, reader.receivedBytes - before);
      before = reader.receivedBytes;
      return before === 68 + 512 * (13 + 16_384);
    });
    expect(done).toBe(true);
    expect(most).toBeGreaterThan(65_536);
    expect(most).toBeLessThanOrEqual(1_048_576);
  });

  test('that was closed in peace ends as soon as what was said has left', async () => {
    const patient = { now: () => clock.now(), at: () => ({ cancel: () => {} }) };
    await using open = await opened({ port: 0, host: '127.0.0.1', clock: patient });
    const sink = new RecordingSink();
    open.transport.onInbound((link) => {
      link.attach(sink);
      link.handshake(HELLO);
      link.close('shutdown');
    });
    const socket = plainSocket(open.transport.listenPort, '127.0.0.1');
    expect(await until(() => socket.destroyed && sink.closedWith === 'shutdown')).toBe(true);
    expect(socket.bytesRead).toBe(68);
  });

  test('that does not take what was written ends soon after a peaceful close', async () => {
    const hurried = {
      now: () => clock.now(),
      at: (time: number, fn: () => void) => clock.at(clock.now() + (time - clock.now()) / 50, fn),
    };
    await using open = await opened({ port: 0, host: '127.0.0.1', clock: hurried });
    const sink = new RecordingSink();
    open.transport.onInbound((link) => {
      link.attach(sink);
      link.handshake(HELLO);
      for (let i = 0; i < 400; i++) link.piece(0, 0, new Uint8Array(65_536), null);
      link.close('shutdown');
    });
    const socket = connect(open.transport.listenPort, '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    expect(await until(() => sink.closedWith === 'shutdown')).toBe(true);
    socket.destroy();
  });
});

test('a flood of peers that never close their end cannot make more sockets linger than the cap', async () => {
  await using open = await opened({ port: 0, host: '127.0.0.1' });
  const sinks: RecordingSink[] = [];
  const farewell = (link: PeerLink): void => {
    const sink = new RecordingSink();
    sinks.push(sink);
    sink.onCall = (call) => {
      if (!call.startsWith('handshake')) return;
      link.handshake(HELLO);
      link.close('both-seeds');
    };
    link.attach(sink);
  };
  open.transport.onInbound(farewell);
  const extra = 10;
  const sockets: Socket[] = [];
  for (let i = 0; i < LINGERING_MAX + extra; i++) {
    const socket = connect({ port: open.transport.listenPort, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(handshakeBytes());
    sockets.push(socket);
    // A few at a time, so that none is refused as one too many that has said nothing.
    if (i % 50 === 49) await until(() => sinks.filter((sink) => sink.handshakes.length > 0).length === i + 1);
  }
  const count = LINGERING_MAX + extra;
  expect(await until(() => sinks.filter((sink) => sink.handshakes.length > 0).length === count)).toBe(true);
  expect(await until(() => sinks.filter((sink) => sink.closedWith !== null).length === extra)).toBe(true);
  for (const socket of sockets) socket.destroy();
  expect(await until(() => sinks.every((sink) => sink.closedWith !== null))).toBe(true);
});

describe('closing the transport', () => {
  test('ends every link with shutdown, frees the port and leaves no socket behind', async () => {
    const open = await opened({ port: 0, host: '127.0.0.1' });
    const sinks: RecordingSink[] = [];
    const keep = (link: PeerLink): void => {
      const sink = new RecordingSink();
      sinks.push(sink);
      link.attach(sink);
    };
    open.transport.onInbound(keep);
    const port = open.transport.listenPort;
    for (let i = 0; i < 3; i++) {
      open.transport.dial({ host: '127.0.0.1', port }, 5_000, (link) => {
        if (typeof link !== 'string') keep(link);
      });
    }
    expect(await until(() => sinks.length === 6)).toBe(true);
    await open.transport.close();
    expect(sinks.map((sink) => sink.closedWith)).toEqual(Array.from({ length: 6 }, () => 'shutdown'));
    await using again = await opened({ port, host: '127.0.0.1' });
    expect(again.transport.listenPort).toBe(port);
    await open.transport.close();
  });

  test('ends dials that are under way', async () => {
    await using full = await fullBacklog();
    const open = await opened({ port: null });
    const results = dial(open.transport, full.address, 60_000);
    await open.transport.close();
    expect(results).toEqual(['connect-failed']);
  });

  test('hands out what was said before', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    open.transport.onInbound((link) => {
      link.attach(new RecordingSink());
      link.handshake(HELLO);
      void open.transport.close();
    });
    let received = 0;
    const socket = plainSocket(open.transport.listenPort, '127.0.0.1');
    socket.on('data', (data) => (received += data.length));
    expect(await until(() => socket.destroyed)).toBe(true);
    expect(received).toBe(68);
  });
});

describe('a peer that begins encrypted', () => {
  const infoHash = patterned(20, 4);
  const encryption: InboundEncryption = {
    lookup: (name) => (equalBytes(name, obfuscatedName(infoHash, sha1)) ? infoHash : null),
    required: false,
  };

  for (const ownBuffers of [true, false]) {
    test.each([
      { what: 'plain', provide: PLAINTEXT | RC4 },
      { what: 'enciphered', provide: RC4 },
    ])(`trades blocks, $what, with own buffers ${ownBuffers ? 'on' : 'off'}`, async ({ provide }) => {
      await using open = await opened({ port: 0, host: '127.0.0.1', ownBuffers });
      const sink = new RecordingSink();
      const blocks = Array.from({ length: 40 }, (_, i) => patterned(16_384, i));
      let released = 0;
      open.transport.onInbound((link) => {
        link.attach(sink);
        sink.onCall = (call) => {
          if (!call.startsWith('handshake')) return;
          link.handshake({ ...HELLO, infoHash });
          for (const block of blocks) link.piece(0, 0, block, { release: () => released++ });
        };
      }, encryption);
      const socket = connect(open.transport.listenPort, '127.0.0.1');
      const initial = handshakeBytes();
      const initiator = new Initiator(
        mseTools(clock),
        { infoHash, provide },
        () => initial,
        (bytes) => socket.write(bytes),
      );
      const received: Uint8Array[] = [];
      socket.on('data', (data) => {
        const wasAgreed = initiator.agreement !== null;
        const rest = wasAgreed ? data : data.subarray(initiator.receive(data));
        const { agreement } = initiator;
        if (agreement !== null && !wasAgreed) {
          const message = pieceBytes(patterned(16_384, 77));
          agreement.outgoing?.apply(message);
          socket.write(message);
        }
        agreement?.incoming?.apply(rest);
        received.push(rest);
      });
      const expected = Buffer.concat(blocks.map(pieceBytes));
      const count = (): number => received.reduce((sum, part) => sum + part.length, 0);
      expect(await until(() => count() === 68 + expected.length)).toBe(true);
      expect(Buffer.concat(received).subarray(68).equals(expected)).toBe(true);
      expect(await until(() => sink.calls.length === 3)).toBe(true);
      expect(sink.calls[2]).toBe(`block 0 0 ${brief(patterned(16_384, 77))}`);
      expect(await until(() => released === blocks.length)).toBe(true);
      expect(initiator.agreement?.incoming === null).toBe(provide !== RC4);
      socket.destroy();
    });
  }

  test('is closed as soon as it cannot become a handshake', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const sink = new RecordingSink();
    open.transport.onInbound((link) => link.attach(sink), encryption);
    const socket = plainSocket(open.transport.listenPort, '127.0.0.1');
    socket.write(patterned(96 + 512 + 20));
    expect(await until(() => socket.destroyed && sink.closedWith !== null)).toBe(true);
    expect(sink.calls).toEqual(['closed bad-handshake']);
  });

  test('does not wait long for its turn behind many that only send a key', async () => {
    await using open = await opened({ port: 0, host: '127.0.0.1' });
    const sink = new RecordingSink();
    const listening = new Set<RecordingSink>();
    open.transport.onInbound((link) => {
      const each = listening.size === 100 ? sink : new RecordingSink();
      listening.add(each);
      link.attach(each);
    }, encryption);
    const { listenPort } = open.transport;
    const sockets = Array.from({ length: 100 }, () => {
      const socket = plainSocket(listenPort, '127.0.0.1');
      socket.write(patterned(96));
      return socket;
    });
    expect(await until(() => listening.size === 100)).toBe(true);
    open.transport.dial(
      { host: '127.0.0.1', port: listenPort },
      5_000,
      (link) => {
        if (typeof link === 'string') throw new Error(link);
        link.attach(new RecordingSink());
        link.handshake({ ...HELLO, infoHash });
      },
      { infoHash, provide: RC4 },
    );
    expect(await until(() => sink.handshakes.length === 1)).toBe(true);
    // Everybody who sent a key got one.
    expect(sockets.filter((socket) => socket.bytesRead >= 96)).toHaveLength(100);
    for (const socket of sockets) socket.destroy();
  });
});

test('accepted sockets can read into a buffer of ours in this version of Node', async () => {
  expect(await canHaveOwnBuffer()).toBe(true);
});

interface Opened extends AsyncDisposable {
  readonly transport: TcpTransport;
}

async function opened(options: Partial<TcpTransportOptions> & { port: number | null }): Promise<Opened> {
  const transport = await TcpTransport.open({ clock, ...options });
  return { transport, [Symbol.asyncDispose]: () => transport.close() };
}

async function tcpPair(host: string, ownBuffers = true): ReturnType<Parameters<typeof peerLinkContract>[1]> {
  const transport = await TcpTransport.open({ clock, port: 0, host, ownBuffers });
  return { ...(await bothEnds(transport, host)), until, dispose: () => transport.close() };
}

/** A connection of a transport with itself. */
async function bothEnds(
  transport: TcpTransport,
  host: string,
): Promise<{ dialer: PeerLink; listener: PeerLink }> {
  let dialer: PeerLink | null = null;
  let listener: PeerLink | null = null;
  transport.onInbound((link) => (listener = link));
  transport.dial({ host, port: transport.listenPort }, 5_000, (link) => {
    if (typeof link !== 'string') dialer = link;
  });
  await until(() => dialer !== null && listener !== null);
  return { dialer: dialer!, listener: listener! };
}

/** The results of a dial, as they come; connected links are noted and closed. */
function dial(transport: TcpTransport, to: PeerAddress, timeoutMs = 5_000): string[] {
  const results: string[] = [];
  transport.dial(to, timeoutMs, (result) => {
    if (typeof result === 'string') {
      results.push(result);
    } else {
      results.push('connected');
      result.close('shutdown');
    }
  });
  return results;
}

function plainSocket(port: number, host: string): Socket {
  const socket = connect(port, host);
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

function pieceBytes(block: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(13 + block.length);
  writeU32(bytes, 0, 9 + block.length);
  bytes[4] = 7;
  bytes.set(block, 13);
  return bytes;
}

function handshakeBytes(): Uint8Array {
  const bytes = new Uint8Array(68);
  bytes.set(Buffer.from('\x13BitTorrent protocol'));
  return bytes;
}

/**
 * A listener that accepts nobody and whose queue is full, so that a dial gets no answer: a thread that listens and then
 * stops turning.
 */
async function fullBacklog(): Promise<AsyncDisposable & { readonly address: PeerAddress }> {
  const code = `
    const { createServer } = require('node:net');
    const { parentPort } = require('node:worker_threads');
    const server = createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`;
  const worker = new Worker(code, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  let connected = 0;
  const sockets = Array.from({ length: 8 }, () =>
    plainSocket(port, '127.0.0.1').on('connect', () => connected++),
  );
  // The queue takes one or two more than it was asked to; then there is no answer.
  await until(() => connected >= 2);
  return {
    address: { host: '127.0.0.1', port },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await worker.terminate();
    },
  };
}
