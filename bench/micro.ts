/**
 * The parts that run for every block or message, alone and in memory: scanner, decoder, encoder, picker, hashing.
 *
 * Run: `npm run bench:micro`. `node bench/run.js picker`, `… wire` and `… disk` measure the same parts under load.
 */
import { createHash, hash } from 'node:crypto';
import { Bench } from 'tinybench';
import { scan } from '../src/bencode/scan.ts';
import { PiecePicker } from '../src/engine/picker/piece-picker.ts';
import type { PickingPeer } from '../src/engine/picker/picking-peer.ts';
import { PieceGeometry } from '../src/metainfo/geometry.ts';
import { parseTorrent } from '../src/metainfo/parse-torrent.ts';
import { PieceSet } from '../src/util/piece-set.ts';
import { Rng } from '../src/util/rng.ts';
import { concatBytes, utf8 } from '../src/util/bytes.ts';
import { Decoder } from '../src/wire/decoder.ts';
import { writeBlockName, writeHandshake, writePiece } from '../src/wire/encoder.ts';
import { MessageId } from '../src/wire/message.ts';
import { BlockSink, bytesOf, HELLO } from './support/wire-sink.ts';
import { machine } from './support/report.ts';

const PIECES = 100_000;
const BLOCK = 16_384;

const bench = new Bench({ time: 500, warmupTime: 200 });
const torrent = largeTorrent(10_000, 20_000);
bench.add(`scan a .torrent of ${Math.round(torrent.length / 1024)} KiB, 10,000 files`, () => {
  scan(torrent, { depth: 8, tokens: 200_000 });
});
bench.add('parse the same into files and pieces', () => {
  parseTorrent(torrent);
});

const [block, piece] = [new Uint8Array(BLOCK), new Uint8Array(64 * BLOCK)];
bench.add('SHA-1 of a block of 16 KiB', () => {
  hash('sha1', block, 'buffer');
});
bench.add('SHA-1 of a piece of 1 MiB', () => {
  createHash('sha1').update(piece).digest();
});
const decoder = new Decoder();
decoder.attach(new BlockSink());
decoder.receive(bytesOf((into) => writeHandshake(into, HELLO)));
const blocks = bytesOf((into) => {
  for (let i = 0; i < 16; i++) writePiece(into, 0, i * BLOCK, block, null);
});
bench.add('decode 16 blocks of 16 KiB from one read', () => {
  decoder.receive(blocks);
});
const requests = bytesOf((into) => {
  for (let i = 0; i < 64; i++) writeBlockName(into, MessageId.request, i, 0, BLOCK);
});
bench.add('decode 64 requests from one read', () => {
  decoder.receive(requests);
});
const target = new Uint8Array(64 * BLOCK);
bench.add('copy a block of 16 KiB', () => {
  target.set(block, BLOCK);
});

const geometry = new PieceGeometry(PIECES * 16 * BLOCK, 16 * BLOCK);
const rng = new Rng(1);
const picker = new PiecePicker(geometry, rng.fork('picker'), { mayStartPiece: () => true });
const peers = Array.from({ length: 200 }, () => half(rng));
for (const peer of peers) picker.onPeerJoined(peer);
const joining = half(rng);
bench.add('a peer with 50,000 of 100,000 pieces joins and leaves, of 200', () => {
  picker.onPeerJoined(joining);
  picker.onPeerLeft(joining);
});
const out: number[] = [];
let now = 0;
const asking = peers[0]!;
bench.add('pick 64 blocks and give them up again', () => {
  out.length = 0;
  picker.pick(asking, 64, out, { now: ++now, allowed: null });
  for (const index of out) picker.onReleased(asking, Math.floor(index / 16), index % 16);
});

await bench.run();
console.log(
  Object.entries(machine())
    .map(([name, value]) => `${name}: ${value}`)
    .join(', '),
);
for (const task of bench.tasks) {
  const { result } = task;
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`);
  const us = result.latency.p50 * 1000;
  console.log(`${task.name.padEnd(66)} ${us.toFixed(us < 10 ? 2 : 0).padStart(8)} µs, median`);
}

function half(random: Rng): PickingPeer {
  const have = new PieceSet(PIECES);
  for (let i = 0; i < PIECES; i++) if (random.float() < 0.5) have.add(i);
  return { have, recentRate: 1e6, snubbed: false, wantedCount: 0, pickerSlot: -1 };
}

function largeTorrent(files: number, pieces: number): Uint8Array {
  const list = Array.from({ length: files }, (_, i) => {
    const name = `file ${i}.bin`;
    return `d6:lengthi${(pieces * BLOCK) / files}e4:pathl6:folder${name.length}:${name}ee`;
  });
  return concatBytes([
    utf8(`d4:infod5:filesl${list.join('')}e4:name5:bench12:piece lengthi${BLOCK}e6:pieces${20 * pieces}:`),
    new Uint8Array(20 * pieces),
    utf8('ee'),
  ]);
}
