import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StorageError } from '../../src/errors.ts';
import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import type { FileStat, PieceVerdict, TorrentStorage } from '../../src/ports.ts';
import { BLOCK_LENGTH } from '../../src/util/block-length.ts';
import { Slab } from '../../src/util/slab-pool.ts';

/** A world with an empty disk and one torrent of at least four pieces of at least two blocks each. */
export interface StorageWorld {
  readonly metaInfo: MetaInfo;
  /** Opens the torrent; what an earlier storage wrote is there. */
  open(): TorrentStorage;
  /** Fills `into` with the true content of a piece. */
  fill(piece: number, into: Uint8Array): void;
  /** Starts something and lets time pass until it calls back. */
  wait<T>(start: (done: (value: T) => void) => void): Promise<T>;
  end(): Promise<void>;
}

/** What the engine relies on, in every world. */
export function storageContract(name: string, makeWorld: () => StorageWorld): void {
  describe(`the storage contract, ${name}`, () => {
    let world: StorageWorld;
    let storage: TorrentStorage;

    beforeEach(() => {
      world = makeWorld();
      storage = world.open();
    });

    afterEach(async () => {
      await world.wait<null>((done) => storage.close(() => done(null)));
      await world.end();
    });

    const slabOf = (piece: number): Slab => {
      const slab = new Slab(world.metaInfo.pieceLength);
      world.fill(piece, slab.bytes.subarray(0, world.metaInfo.geometry.pieceLengthOf(piece)));
      return slab;
    };
    const write = (piece: number, slab = slabOf(piece), wantDigests = false): Promise<PieceVerdict> =>
      world.wait((done) => storage.writePiece(piece, slab, wantDigests, done));
    const check = (piece: number): Promise<boolean | StorageError> =>
      world.wait((done) => storage.checkPiece(piece, done));
    const stat = (): Promise<readonly FileStat[] | StorageError> => world.wait((done) => storage.stat(done));
    const read = (piece: number, begin: number, into: Uint8Array): Promise<StorageError | null> =>
      world.wait((done) => storage.read(piece, begin, into, done));
    const flush = (): Promise<StorageError | null> => world.wait((done) => storage.flush(done));
    const lastPiece = (): number => world.metaInfo.pieceCount - 1;

    test('an empty disk has none of the files and none of the pieces', async () => {
      const stats = await stat();
      expect(stats).not.toBeInstanceOf(StorageError);
      const files = world.metaInfo.files.filter((file) => !file.padding);
      expect(files.map((file) => (stats as FileStat[])[file.index]!.size)).toEqual(files.map(() => -1));
      expect(await check(0)).toBe(false);
    });

    test('a piece with the right bytes is written and found again, others are not', async () => {
      expect(await write(1)).toEqual({ status: 'written', blockDigests: null });
      expect([await check(0), await check(1), await check(2)]).toEqual([false, true, false]);
    });

    test('the last piece is as short as it is', async () => {
      expect((await write(lastPiece())).status).toBe('written');
      expect(await check(lastPiece())).toBe(true);
    });

    test('a piece with one wrong block is refused, and its digests tell which block it was', async () => {
      const slab = slabOf(1);
      slab.bytes[BLOCK_LENGTH]! ^= 1;
      const wrong = await write(1, slab);
      expect(wrong.status).toBe('mismatch');
      expect(await check(1)).toBe(false);

      const right = await write(1, slabOf(1), true);
      const digests = [wrong, right].map((verdict) => digestsOf(verdict));
      expect(digests[0]!.length).toBe(world.metaInfo.geometry.blockCount(1));
      expect(digests[0]!.map((digest, block) => digest === digests[1]![block])).toEqual(
        digests[0]!.map((_, block) => block !== 1),
      );
    });

    test('a slab is empty while it is lent and comes back with the same bytes', async () => {
      for (const isRight of [true, false]) {
        const slab = slabOf(0);
        if (!isRight) slab.bytes[0]! ^= 1;
        const before = slab.bytes.slice();
        const verdict = write(0, slab);
        expect(slab.bytes.length).toBe(0);
        expect((await verdict).status).toBe(isRight ? 'written' : 'mismatch');
        expect(Buffer.compare(slab.bytes, before)).toBe(0);
      }
    });

    test('a block is read into the bytes given for it, and no others', async () => {
      await write(1);
      const expected = slabOf(1).bytes.subarray(BLOCK_LENGTH, 2 * BLOCK_LENGTH);
      const into = new Uint8Array(BLOCK_LENGTH + 2).fill(0xee);
      expect(await read(1, BLOCK_LENGTH, into.subarray(1, BLOCK_LENGTH + 1))).toBe(null);
      expect(Buffer.compare(into.subarray(1, BLOCK_LENGTH + 1), expected)).toBe(0);
      expect([into[0], into[BLOCK_LENGTH + 1]]).toEqual([0xee, 0xee]);
    });

    test('reading what is not on disk is an error that says so', async () => {
      const error = await read(0, 0, new Uint8Array(BLOCK_LENGTH));
      expect(error).toBeInstanceOf(StorageError);
      expect(error!.code).toBe('ERR_FILE_MISSING');
    });

    test('all pieces can be under way at once', async () => {
      const pieces = Array.from({ length: world.metaInfo.pieceCount }, (_, piece) => piece);
      const verdicts = await Promise.all(pieces.map((piece) => write(piece)));
      expect(verdicts.map((verdict) => verdict.status)).toEqual(pieces.map(() => 'written'));
      expect(await Promise.all(pieces.map((piece) => check(piece)))).toEqual(pieces.map(() => true));
    });

    test('after a flush every file of a whole torrent has its length, empty ones too', async () => {
      for (let piece = 0; piece < world.metaInfo.pieceCount; piece++) await write(piece);
      expect(await flush()).toBe(null);
      const stats = (await stat()) as FileStat[];
      expect(stats.map(({ size }) => size)).toEqual(world.metaInfo.files.map(({ length }) => length));
    });

    test('close waits for a piece under way, which the next storage finds', async () => {
      const verdict = write(3);
      await world.wait<null>((done) => storage.close(() => done(null)));
      expect((await verdict).status).toBe('written');
      storage = world.open();
      expect([await check(2), await check(3)]).toEqual([false, true]);
    });

    test('nothing is called back in the turn it was asked in', async () => {
      const calls = [
        () => world.wait((done) => notInThisTurn(done, (later) => storage.stat(later))),
        () => world.wait((done) => notInThisTurn(done, (later) => storage.checkPiece(0, later))),
        () => world.wait((done) => notInThisTurn(done, (later) => storage.flush(later))),
        () =>
          world.wait((done) =>
            notInThisTurn(done, (later) => storage.writePiece(0, slabOf(0), false, later)),
          ),
        () =>
          world.wait((done) =>
            notInThisTurn(done, (later) => storage.read(0, 0, new Uint8Array(BLOCK_LENGTH), later)),
          ),
        () => world.wait((done) => notInThisTurn(done, (later) => storage.close(() => later(null)))),
      ];
      for (const call of calls) await call();
      storage = world.open();
    });
  });
}

function digestsOf(verdict: PieceVerdict): string[] {
  const digests = 'blockDigests' in verdict ? verdict.blockDigests! : new Uint8Array(0);
  return Array.from({ length: digests.length / 20 }, (_, i) =>
    Buffer.from(digests.subarray(20 * i, 20 * i + 20)).toString('hex'),
  );
}

function notInThisTurn<T>(done: (value: T) => void, start: (later: (value: T) => void) => void): void {
  let isThisTurn = true;
  start((value) => {
    expect(isThisTurn).toBe(false);
    done(value);
  });
  isThisTurn = false;
}
