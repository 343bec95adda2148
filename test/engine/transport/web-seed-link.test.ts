import { describe, expect, test } from 'vitest';
import { LaneBudget } from '../../../src/engine/transport/lane-budget.ts';
import { WebSeedLink } from '../../../src/engine/transport/web-seed-link.ts';
import { WebSeedUrls } from '../../../src/engine/transport/web-seed-urls.ts';
import type { SeedFault } from '../../../src/engine/transport/range-answer.ts';
import { TrackerError } from '../../../src/errors.ts';
import { FileMap } from '../../../src/metainfo/file-map.ts';
import type { RangePort, RangeRequest, RangeSink, RangeStream } from '../../../src/ports.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { contentTorrent, type ContentFile, type ContentTorrent } from '../../support/content-torrent.ts';
import { RecordingSink } from '../../wire/recording-sink.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** Four blocks. */
const PIECE = 4 * BLOCK_LENGTH;

describe('requests', () => {
  test('that follow each other become one range, over pieces', () => {
    const lab = new Lab(20);
    lab.askPieces(3, 4, 5);
    expect(lab.asked()).toEqual([`one ${3 * PIECE}+${3 * PIECE}`]);
  });

  test('are worked off block by block, however small the parts are that a server sends', () => {
    const lab = new Lab(2);
    lab.askPieces(0);
    const before = lab.sink.batchCount;
    lab.web.streams[0]!.serve(Infinity, 1);
    expect(lab.isRight).toBe(true);
    expect(lab.sink.batchCount - before).toBe(4);
  });

  test('go out in runs, over at most three connections, and the next when one is free', () => {
    const lab = new Lab(400);
    for (const first of [0, 100, 200, 300]) lab.askPieces(...run(first, 10));
    expect(lab.asked()).toEqual([0, 100, 200].map((first) => `one ${first * PIECE}+${10 * PIECE}`));
    lab.web.streams[1]!.serve();
    expect(lab.asked()).toEqual([`one ${300 * PIECE}+${10 * PIECE}`]);
  });

  test('are cut to ranges of 4 MiB', () => {
    const lab = new Lab(100);
    lab.askPieces(...run(0, 100));
    expect(lab.asked()).toEqual([`one 0+4194304`, `one 4194304+${36 * PIECE}`]);
  });

  test('for little do not open a second connection, until the first is nearly done', () => {
    const lab = new Lab(100);
    lab.askPieces(...run(0, 10));
    lab.askPieces(50);
    expect(lab.asked()).toHaveLength(1);
    lab.web.streams[0]!.serve(6 * PIECE);
    expect(lab.asked()).toEqual([`one ${50 * PIECE}+${PIECE}`]);
  });

  test('made twice are asked once', () => {
    const lab = new Lab(10);
    lab.askPieces(2);
    lab.askPieces(2);
    expect(lab.asked()).toEqual([`one ${2 * PIECE}+${PIECE}`]);
    lab.askPieces(2);
    expect(lab.asked()).toEqual([]);
  });

  test('taken back before they went out are never sent', () => {
    const lab = new Lab(10);
    lab.link.request(1, 0, BLOCK_LENGTH);
    lab.link.request(1, BLOCK_LENGTH, BLOCK_LENGTH);
    lab.link.request(1, 2 * BLOCK_LENGTH, BLOCK_LENGTH);
    lab.link.cancel(1, BLOCK_LENGTH);
    lab.clock.advance(0);
    expect(lab.asked()).toEqual([
      `one ${PIECE}+${BLOCK_LENGTH}`,
      `one ${PIECE + 2 * BLOCK_LENGTH}+${BLOCK_LENGTH}`,
    ]);
  });

  test('whose blocks came from elsewhere meanwhile are not sent either', () => {
    const lab = new Lab(400);
    for (const first of [0, 100, 200, 300]) lab.askPieces(...run(first, 10));
    lab.received.add('300 0');
    lab.web.streams[0]!.serve();
    expect(lab.asked().at(-1)).toBe(`one ${300 * PIECE + BLOCK_LENGTH}+${10 * PIECE - BLOCK_LENGTH}`);
  });

  test('all taken back end a long range at once, and a short one is read to its end', () => {
    const lab = new Lab(100);
    lab.askPieces(...run(0, 10));
    lab.askPieces(...run(50, 4));
    const [long, short] = lab.web.streams;
    for (const piece of [...run(0, 10), ...run(50, 4)]) lab.cancelPiece(piece);
    expect(long!.isCancelled).toBe(true);
    expect(short!.isCancelled).toBe(false);
    short!.serve();
    expect(lab.blocks()).toEqual([]);
    expect(lab.link.receivedBytes).toBe(4 * PIECE);
  });
});

describe('connections beyond the first', () => {
  const far = [0, 100, 200, 300, 400, 500];
  const makeLab = (lanes: LaneBudget): Lab => {
    const lab = new Lab(600, PIECE, null, lanes);
    for (const first of far) lab.askPieces(...run(first, 10));
    return lab;
  };

  test('are not opened where no connections are left, and count as such where they are', () => {
    const connections = {
      count: 0,
      max: 1,
      get free() {
        return this.max - this.count;
      },
    };
    const lab = makeLab(laneBudget(100, connections));
    expect(lab.web.open).toHaveLength(2);
    expect(connections.count).toBe(1);
    connections.max = 5;
    lab.web.open[0]!.serve();
    expect(lab.web.open).toHaveLength(3);
    expect(connections.count).toBe(2);
    lab.link.close('torrent-stopped');
    expect(connections.count).toBe(0);
  });

  test('are taken in turns by those who wait for them, a run of blocks each', () => {
    const lanes = laneBudget(2);
    const labs = [makeLab(lanes), makeLab(lanes), makeLab(lanes)];
    const open = (): number[] => {
      for (const lab of labs) lab.clock.advance(0);
      return labs.map((lab) => lab.web.open.length);
    };
    expect(open()).toEqual([3, 1, 1]);
    labs[0]!.web.open[0]!.serve();
    expect(open()).toEqual([2, 2, 1]);
    labs[0]!.web.open[0]!.serve();
    expect(open()).toEqual([1, 2, 2]);
    // It has waited longest again.
    labs[1]!.web.open[0]!.serve();
    expect(open()).toEqual([2, 1, 2]);
    labs[2]!.link.close('torrent-stopped');
    expect(open()).toEqual([2, 2, 0]);
    for (const lab of labs.slice(0, 2)) {
      while (lab.web.open.length > 0) lab.web.open[0]!.serve();
      expect(lab.blocks()).toHaveLength(far.length * 10 * 4);
      expect(lab.isRight).toBe(true);
    }
  });

  test('go on to others when they are granted to a link that has no more to ask', () => {
    const connections = { count: 0, free: 100 };
    const lanes = laneBudget(2, connections);
    const labs = [makeLab(lanes), makeLab(lanes), makeLab(lanes)];
    for (const first of far) for (const piece of run(first, 10)) labs[1]!.cancelPiece(piece);
    labs[0]!.web.open[0]!.serve();
    for (const lab of [...labs, ...labs]) lab.clock.advance(0);
    expect(labs.map((lab) => lab.web.open.length)).toEqual([2, 0, 2]);
    expect(connections.count).toBe(2);
  });
});

describe('what comes', () => {
  test.each([13, 1000, BLOCK_LENGTH, BLOCK_LENGTH + 1, 100_000])(
    'in chunks of %i is cut into blocks again',
    (chunk) => {
      const lab = new Lab(3, PIECE + 5000);
      lab.askPieces(0, 1, 2);
      lab.web.streams[0]!.serve(Infinity, chunk);
      const expected = [0, 1, 2].flatMap((piece) =>
        lab.blocksOf(piece).map(({ begin }) => `${piece} ${begin}`),
      );
      expect(lab.blocks()).toEqual(expected);
      expect(lab.isRight).toBe(true);
    },
  );

  test('is put where files meet, and pad files are not asked for', () => {
    const files = [
      { path: 'a', length: 20_000 },
      { path: '.pad/100', length: 100, padding: true },
      { path: 'empty', length: 0 },
      { path: 'b', length: 1 },
      { path: 'c', length: 60_000 },
    ];
    const lab = new Lab(2, PIECE, files);
    lab.askPieces(0, 1);
    for (let i = 0; i < 3; i++) {
      lab.web.streams[i]!.serve();
      lab.clock.advance(0);
    }
    expect(lab.asked()).toEqual(['t/a 0+20000', 't/b 0+1', 't/c 0+60000']);
    expect(lab.blocks()).toHaveLength(5);
    expect(lab.isRight).toBe(true);
  });

  test('of several connections at once does not mix', () => {
    const lab = new Lab(300);
    for (const first of [0, 100, 200]) lab.askPieces(...run(first, 10));
    const streams = lab.web.streams.slice(0, 3);
    for (let i = 0; i < 30; i++) for (const stream of streams) stream.serve(30_000, 7000);
    expect(lab.blocks()).toHaveLength(3 * 10 * 4);
    expect(lab.isRight).toBe(true);
  });

  test('stops and goes on with back-pressure, also for ranges that begin meanwhile', () => {
    const lab = new Lab(300);
    lab.askPieces(...run(0, 10));
    lab.link.pauseReading();
    lab.askPieces(...run(100, 10));
    expect(lab.web.streams.map((stream) => stream.isPaused)).toEqual([true, true]);
    lab.link.resumeReading();
    expect(lab.web.streams.map((stream) => stream.isPaused)).toEqual([false, false]);
  });

  test('is over with the link: nothing more is told, and the ranges end', () => {
    const lab = new Lab(10);
    lab.askPieces(0);
    lab.link.close('torrent-stopped');
    lab.link.close('shutdown');
    expect(lab.web.streams[0]!.isCancelled).toBe(true);
    expect(lab.sink.closedWith).toBeNull();
    lab.clock.advance(0);
    expect(lab.sink.closedWith).toBe('torrent-stopped');
    expect(lab.ends).toEqual([null]);
    lab.askPieces(1);
    expect(lab.asked()).toHaveLength(1);
  });
});

describe('a failure', () => {
  test('after something was given is tried again from there', () => {
    const lab = new Lab(10);
    lab.askPieces(0, 1);
    lab.web.streams[0]!.serve(PIECE + 10);
    lab.web.streams[0]!.fail();
    expect(lab.asked()).toEqual([`one 0+${2 * PIECE}`, `one ${PIECE}+${PIECE}`]);
    lab.web.streams[1]!.serve();
    expect(lab.isRight).toBe(true);
    expect(lab.ends).toEqual([]);
  });

  test('before anything was given ends the link', () => {
    const lab = new Lab(10);
    lab.askPieces(0, 1);
    lab.web.streams[0]!.fail();
    lab.clock.advance(0);
    expect(lab.sink.closedWith).toBe('connection-error');
    expect(lab.ends).toMatchObject([{ kind: 'broken' }]);
  });

  test('of one connection while others work costs that connection alone', () => {
    const lab = new Lab(400);
    for (const first of [0, 100, 200, 300]) lab.askPieces(...run(first, 10));
    const [one, two, three] = lab.web.streams;
    two!.status(503);
    three!.fail();
    expect(lab.ends).toEqual([]);
    expect(lab.asked()).toHaveLength(3);
    one!.serve();
    expect(lab.asked()).toHaveLength(1);
    while (lab.web.open.length > 0) lab.web.open[0]!.serve();
    expect(lab.blocks()).toHaveLength(4 * 10 * 4);
    expect(lab.isRight).toBe(true);
  });

  test.each([404, 403])('to get one file (%i) takes its pieces off, and its requests back', (status) => {
    const files = [
      { path: 'a', length: 2 * PIECE },
      { path: 'b', length: 2 * PIECE },
    ];
    const lab = new Lab(4, PIECE, files);
    lab.askPieces(1, 2, 3);
    lab.web.streams[0]!.serve();
    lab.web.streams[1]!.status(status);
    const told = lab.sink.calls.filter((call) => /^(?:bitfield|reject)/.test(call));
    const refused = [2, 3].flatMap((piece) =>
      lab.blocksOf(piece).map(({ begin }) => [piece, begin] as const),
    );
    expect(told).toEqual([
      'bitfield c0',
      ...refused.map(([piece, begin]) => `reject ${piece} ${begin} ${BLOCK_LENGTH}`),
    ]);
    expect(lab.ends).toEqual([]);
  });

  test('to get any of many files ends the link', () => {
    const files = Array.from({ length: 20 }, (_, i) => ({ path: `f${i}`, length: PIECE }));
    const lab = new Lab(20, PIECE, files);
    for (let piece = 0; piece < 20; piece++) {
      lab.askPieces(piece);
      lab.web.open[0]?.status(404);
    }
    lab.clock.advance(0);
    expect(lab.ends).toMatchObject([{ kind: 'missing' }]);
    expect(lab.web.streams).toHaveLength(11);
  });
});

/** @param connections That are left. */
function laneBudget(max = 100, connections = { count: 0, free: 100 }): LaneBudget {
  return new LaneBudget(connections, max);
}

function run(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** A link to a server whose answers the test gives. */
class Lab {
  readonly clock = new ManualClock();
  readonly web: FakeWeb;
  readonly sink = new RecordingSink();
  readonly link: WebSeedLink;
  readonly ends: (SeedFault | null)[] = [];
  /** As `piece block`. */
  readonly received = new Set<string>();
  readonly #torrent: ContentTorrent;
  readonly #targets: { piece: number; begin: number; bytes: Uint8Array }[] = [];
  #askedCount = 0;

  constructor(
    pieces: number,
    pieceLength = PIECE,
    files: readonly ContentFile[] | null = null,
    lanes = laneBudget(),
  ) {
    this.#torrent = contentTorrent(files ? 't' : 'one', pieceLength, files, pieces * pieceLength);
    const { metaInfo } = this.#torrent;
    const { geometry } = metaInfo;
    this.web = new FakeWeb(this.#torrent);
    const paths = metaInfo.files.map(({ path }) => path.split('/').map((name) => Buffer.from(name)));
    this.sink.target = (piece, begin, length) => {
      const bytes = new Uint8Array(length);
      this.#targets.push({ piece, begin, bytes });
      return bytes;
    };
    this.link = new WebSeedLink(
      {
        clock: this.clock,
        web: this.web,
        geometry,
        fileMap: new FileMap(metaInfo.files, geometry),
        lanes,
        isReceived: (piece, block) => this.received.has(`${piece} ${block}`),
        onEnd: (_link, fault) => this.ends.push(fault),
      },
      {
        shownUrl: 'http://host/',
        urls: new WebSeedUrls('http://host/', metaInfo.isSingleFile, paths),
        remote: { host: 'host', port: 80 },
        refuseLocal: false,
      },
    );
    this.link.attach(this.sink);
  }

  blocksOf(piece: number): { begin: number; length: number }[] {
    const { geometry } = this.#torrent.metaInfo;
    return Array.from({ length: geometry.blockCount(piece) }, (_, block) => ({
      begin: block * BLOCK_LENGTH,
      length: geometry.blockLength(piece, block),
    }));
  }

  askPieces(...pieces: number[]): void {
    for (const piece of pieces) {
      for (const { begin, length } of this.blocksOf(piece)) this.link.request(piece, begin, length);
    }
    this.clock.advance(0);
  }

  cancelPiece(piece: number): void {
    for (const { begin } of this.blocksOf(piece)) this.link.cancel(piece, begin);
  }

  /** Ranges asked for since the last look, as `file offset+length`. */
  asked(): string[] {
    const texts = this.web.streams.slice(this.#askedCount).map(({ request: { url, offset, length } }) => {
      return `${url.slice('http://host/'.length)} ${offset}+${length}`;
    });
    this.#askedCount = this.web.streams.length;
    return texts;
  }

  /** Blocks that came, as `piece begin`. */
  blocks(): string[] {
    return this.#targets.map(({ piece, begin }) => `${piece} ${begin}`);
  }

  /** Has every block that came the right bytes? */
  get isRight(): boolean {
    return this.#targets.every(({ piece, begin, bytes }) =>
      Buffer.from(this.#torrent.piece(piece))
        .subarray(begin, begin + bytes.length)
        .equals(bytes),
    );
  }
}

class FakeWeb implements RangePort {
  readonly streams: FakeStream[] = [];
  readonly #torrent: ContentTorrent;

  constructor(torrent: ContentTorrent) {
    this.#torrent = torrent;
  }

  get open(): FakeStream[] {
    return this.streams.filter((stream) => !stream.isDone && !stream.isCancelled);
  }

  stream(request: RangeRequest, sink: RangeSink): FakeStream {
    const stream = new FakeStream(request, sink, this.#torrent);
    this.streams.push(stream);
    return stream;
  }
}

class FakeStream implements RangeStream {
  readonly request: RangeRequest;
  isPaused = false;
  isCancelled = false;
  isDone = false;
  readonly #sink: RangeSink;
  readonly #bytes: Uint8Array;
  readonly #total: number;
  #at = 0;
  #hasHead = false;

  constructor(request: RangeRequest, sink: RangeSink, { metaInfo, content }: ContentTorrent) {
    this.request = request;
    this.#sink = sink;
    const file = metaInfo.files.find(({ path }) => request.url === `http://host/${path}`)!;
    this.#total = file.length;
    const start = file.offset + request.offset;
    this.#bytes = content.subarray(start, start + request.length);
  }

  /** Sends so many bytes more, in chunks whose memory is used again. */
  serve(bytes = Infinity, chunkLength = 65_536): void {
    const { offset, length } = this.request;
    const range = `bytes ${offset}-${offset + length - 1}/${this.#total}`;
    if (!this.#hasHead)
      this.#sink.onHead({ status: 206, headers: new Map([['content-range', range]]), length });
    this.#hasHead = true;
    const end = Math.min(length, this.#at + bytes);
    while (this.#at < end && !this.isCancelled) {
      const chunk = this.#bytes.slice(this.#at, Math.min(end, this.#at + chunkLength));
      this.#at += chunk.length;
      this.#sink.onData(chunk);
      chunk.fill(0);
    }
    if (this.#at < length || this.isCancelled || this.isDone) return;
    this.isDone = true;
    this.#sink.onEnd();
  }

  fail(): void {
    this.isDone = true;
    this.#sink.onFail(new TrackerError('the network is down', this.request.url));
  }

  status(status: number): void {
    this.isDone = true;
    this.#sink.onHead({ status, headers: new Map(), length: 0 });
  }

  cancel(): void {
    this.isCancelled = true;
  }

  pauseReading(): void {
    this.isPaused = true;
  }

  resumeReading(): void {
    this.isPaused = false;
  }
}
