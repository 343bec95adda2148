/**
 * What the wire costs: decoding and encoding in memory, then whole transfers over loopback between two processes,
 * beside plain sockets that do nothing with the bytes.
 *
 * Run: `node bench/run.js wire [MiB per transfer]`.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '../src/node/system-clock.ts';
import { TcpTransport } from '../src/node/tcp-transport.ts';
import { Decoder } from '../src/wire/decoder.ts';
import { writeBlockName, writeHandshake, writePiece } from '../src/wire/encoder.ts';
import { SEND_HIGH_WATER, type ByteStream, type PeerLink } from '../src/wire/link.ts';
import { MessageId } from '../src/wire/message.ts';
import { OutBuffer } from '../src/wire/out-buffer.ts';
import { BlockSink, bytesOf, HELLO } from './support/wire-sink.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;

function startedDecoder(): { decoder: Decoder; sink: BlockSink } {
  const decoder = new Decoder();
  const sink = new BlockSink();
  decoder.attach(sink);
  decoder.receive(bytesOf((out) => writeHandshake(out, HELLO)));
  return { decoder, sink };
}

function benchDecodeBlocks(chunkLength: number): void {
  const perRound = 256;
  const block = new Uint8Array(BLOCK).fill(7);
  const stream = bytesOf((out) => {
    for (let i = 0; i < perRound; i++) writePiece(out, i >> 6, (i & 63) * BLOCK, block, null);
  });
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += chunkLength) chunks.push(stream.slice(at, at + chunkLength));
  const { decoder, sink } = startedDecoder();
  const round = (): void => {
    for (const chunk of chunks) decoder.receive(chunk);
  };
  const perBlockUs = (best(round) * 1_000) / perRound;
  console.log(
    `decode blocks, ${chunkLength / 1024} KiB chunks: ${perBlockUs.toFixed(2)} µs per block (${sink.blocks} blocks)`,
  );
}

function benchDecodeRequests(): void {
  const perRound = 50_000;
  const stream = bytesOf((out) => {
    for (let i = 0; i < perRound; i++) writeBlockName(out, MessageId.request, i, 0, BLOCK);
  });
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += 65_536) chunks.push(stream.slice(at, at + 65_536));
  const { decoder } = startedDecoder();
  const ms = best(() => {
    for (const chunk of chunks) decoder.receive(chunk);
  });
  console.log(`decode requests: ${((ms * 1e6) / perRound).toFixed(0)} ns per message`);
}

function benchEncode(): void {
  const perRound = 50_000;
  const out = new OutBuffer();
  const nowhere = { write: () => {} } as unknown as ByteStream;
  const requestsMs = best(() => {
    for (let i = 0; i < perRound; i++) {
      writeBlockName(out, MessageId.request, i, 0, BLOCK);
      if (i % 64 === 63) {
        out.flushTo(nowhere);
        out.onAllSent();
      }
    }
  });
  const block = new Uint8Array(BLOCK);
  const piecesMs = best(() => {
    for (let i = 0; i < perRound; i++) {
      writePiece(out, i, 0, block, null);
      if (i % 32 === 31) {
        out.flushTo(nowhere);
        out.onAllSent();
      }
    }
  });
  console.log(
    `encode: ${((requestsMs * 1e6) / perRound).toFixed(0)} ns per request, ` +
      `${((piecesMs * 1e6) / perRound).toFixed(0)} ns per block`,
  );
}

/** Milliseconds of the best of many rounds: what the code costs when nobody else has the processor. */
function best(round: () => void): number {
  let least = Infinity;
  for (let i = 0; i < 60; i++) {
    const start = performance.now();
    round();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

// Transfers. The other process sends; this one receives and is measured.

type Order =
  | { readonly serve: 'plain' | 'link'; readonly blocks: number }
  | { readonly dial: number; readonly blocks: number }
  | { readonly report: true };

/** Sends blocks over a link as fast as it takes them. */
function pump(link: PeerLink, blocks: number): void {
  const sink = new BlockSink();
  const block = new Uint8Array(BLOCK).fill(7);
  let next = 0;
  sink.onWritable = () => {
    while (next < blocks && link.queuedBytes < SEND_HIGH_WATER) {
      link.piece(next >> 6, (next & 63) * BLOCK, block, null);
      next++;
    }
  };
  link.attach(sink);
  link.handshake(HELLO);
}

async function runSender(): Promise<void> {
  const clock = new SystemClock({ keepAlive: true });
  const transport = await TcpTransport.open({ clock, port: 0, host: '127.0.0.1' });
  let blocks = 0;
  transport.onInbound((link) => pump(link, blocks));
  const piece = new Uint8Array(BLOCK + 13).fill(7);
  const plain = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    let next = 0;
    const more = (): void => {
      socket.cork();
      for (let i = 0; i < 32 && next < blocks; i++, next++) {
        socket.write(piece.subarray(0, 13));
        socket.write(piece.subarray(13));
      }
      socket.uncork();
      if (next < blocks) socket.once('drain', more);
    };
    more();
  });
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  let cpu = process.cpuUsage();
  process.on('message', (order: Order) => {
    if ('report' in order) {
      const used = process.cpuUsage(cpu);
      process.send!({ cpuSeconds: (used.user + used.system) / 1e6 });
      return;
    }
    blocks = order.blocks;
    cpu = process.cpuUsage();
    if ('dial' in order) {
      transport.dial({ host: '127.0.0.1', port: order.dial }, 5_000, (link) => {
        if (typeof link !== 'string') pump(link, blocks);
      });
    } else {
      process.send!({
        port: order.serve === 'plain' ? (plain.address() as AddressInfo).port : transport.listenPort,
      });
    }
  });
  process.send!('ready');
}

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', resolve as (message: unknown) => void));
}

async function measure(
  name: string,
  child: ChildProcess,
  blocks: number,
  run: () => Promise<void>,
): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1_000;
  const used = process.cpuUsage(cpu);
  child.send({ report: true });
  const sender = await answer<{ cpuSeconds: number }>(child);
  const gib = (blocks * BLOCK) / (1024 * MIB);
  console.log(
    `${name.padEnd(58)} ${((blocks * BLOCK) / 1e6 / seconds).toFixed(0).padStart(5)} MB/s` +
      `  receiver ${((used.user + used.system) / 1e6 / gib).toFixed(2)} s/GiB` +
      `  sender ${(sender.cpuSeconds / gib).toFixed(2)} s/GiB`,
  );
}

async function serve(child: ChildProcess, order: Order): Promise<number> {
  child.send(order);
  return (await answer<{ port: number }>(child)).port;
}

/** The floor: a socket that reads, and copies each chunk once if asked to. */
async function receivePlain(
  port: number,
  bytes: number,
  way: 'data' | 'onread' | 'onread and copy',
): Promise<void> {
  const target = new Uint8Array(MIB);
  await new Promise<void>((resolve, reject) => {
    let received = 0;
    const onBytes = (length: number): void => {
      received += length;
      if (received >= bytes) {
        socket.destroy();
        resolve();
      }
    };
    const buffer = new Uint8Array(262_144);
    const callback = (length: number, filled: Uint8Array): boolean => {
      if (way === 'onread and copy') target.set(filled.subarray(0, length));
      onBytes(length);
      return true;
    };
    const socket = connect({
      port,
      host: '127.0.0.1',
      ...(way === 'data' ? {} : { onread: { buffer, callback } }),
    });
    socket.on('error', reject);
    if (way === 'data') socket.on('data', (data) => onBytes(data.length));
  });
}

function receiveBlocks(link: PeerLink, blocks: number): Promise<void> {
  return new Promise((resolve) => {
    const sink = new BlockSink();
    sink.onBlocks = (count) => {
      if (count >= blocks) link.close('shutdown');
    };
    sink.onClosed = () => resolve();
    link.attach(sink);
    link.handshake(HELLO);
  });
}

function dialled(transport: TcpTransport, port: number, blocks: number): Promise<void> {
  return new Promise((resolve, reject) => {
    transport.dial({ host: '127.0.0.1', port }, 5_000, (link) => {
      if (typeof link === 'string') reject(new Error(link));
      else resolve(receiveBlocks(link, blocks));
    });
  });
}

function accepted(transport: TcpTransport, child: ChildProcess, blocks: number): Promise<void> {
  return new Promise((resolve) => {
    transport.onInbound((link) => resolve(receiveBlocks(link, blocks)));
    child.send({ dial: transport.listenPort, blocks } satisfies Order);
  });
}

async function runTransfers(blocks: number): Promise<void> {
  const clock = new SystemClock({ keepAlive: true });
  const child = fork(fileURLToPath(import.meta.url), ['sender']);
  await answer(child);
  const own = await TcpTransport.open({ clock, port: 0, host: '127.0.0.1' });
  const events = await TcpTransport.open({ clock, port: 0, host: '127.0.0.1', ownBuffers: false });
  const bytes = blocks * (BLOCK + 13);
  for (let round = 1; round <= 3; round++) {
    console.log(`round ${round}`);
    for (const way of ['data', 'onread', 'onread and copy'] as const) {
      const port = await serve(child, { serve: 'plain', blocks });
      await measure(`plain sender, plain receiver (${way})`, child, blocks, () =>
        receivePlain(port, bytes, way),
      );
    }
    let port = await serve(child, { serve: 'plain', blocks });
    port = await serve(child, { serve: 'link', blocks });
    await measure('link sender, plain receiver (onread and copy)', child, blocks, () =>
      receivePlain(port, bytes, 'onread and copy'),
    );
    port = await serve(child, { serve: 'link', blocks });
    await measure('link sender, link receiver (dialled)', child, blocks, () => dialled(own, port, blocks));
    await measure('link sender, link receiver (accepted, own buffer)', child, blocks, () =>
      accepted(own, child, blocks),
    );
    await measure('link sender, link receiver (accepted, events)', child, blocks, () =>
      accepted(events, child, blocks),
    );
  }
  await own.close();
  await events.close();
  child.kill();
}

if (process.argv[2] === 'sender') {
  await runSender();
} else {
  benchDecodeBlocks(65_536);
  benchDecodeBlocks(262_144);
  benchDecodeRequests();
  benchEncode();
  await runTransfers((Number(process.argv[2] ?? 512) * MIB) / BLOCK);
}
