import { describe, expect, test } from 'vitest';
import { encode } from '../../src/bencode/codec.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { decodeResume, encodeResume, trustedPieces } from '../../src/metainfo/resume.ts';
import type { ResumeReading, ResumeRecord } from '../../src/metainfo/resume.ts';
import { concatBytes, utf8 } from '../../src/util/bytes.ts';
import { PieceSet } from '../../src/util/piece-set.ts';
import { contentTorrent } from '../support/content-torrent.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const { metaInfo } = contentTorrent('album', 16_384, [
  { path: 'a', length: 20_000 },
  { path: 'empty', length: 0 },
  { path: '.pad/1', length: 12_768, padding: true },
  { path: 'b', length: 70_000 },
  { path: 'c', length: 5 },
]);

describe('writing and reading a record', () => {
  test('gives back what was written', () => {
    const record = sample();
    const reading = decodeResume(encodeResume(record), metaInfo);
    expect(reading.ok).toBe(true);
    const read = (reading as { record: ResumeRecord }).record;
    expect({ ...read, have: [...read.have.bytes] }).toEqual({ ...record, have: [...record.have.bytes] });
    const late = new PieceSet(metaInfo.pieceCount);
    late.add(3);
    const again = decodeResume(encodeResume({ ...record, late }), metaInfo);
    expect((again as { record: ResumeRecord }).record.late!.bytes).toEqual(late.bytes);
  });

  test('keeps file times to the microsecond, of files today and in the year 2200', () => {
    const record = sample();
    for (const mtimeMs of [1_785_000_000_123.25, 7_258_118_400_000.5, 0]) {
      const files = record.files.map((file) => ({ ...file, mtimeMs }));
      const reading = decodeResume(encodeResume({ ...record, files }), metaInfo);
      const { record: read } = reading as { record: ResumeRecord };
      expect(Math.abs(read.files[0]!.mtimeMs - mtimeMs)).toBeLessThan(0.001);
      expect(trustedPieces(read, files, metaInfo).count).toBe(record.have.count);
    }
  });

  test('keeps a hundred peers and only those one can dial', () => {
    const peers = Array.from({ length: 150 }, (_, i) => ({ host: `10.0.0.${i + 1}`, port: 6881 }));
    const bad = [
      { host: '0.0.0.0', port: 1 },
      { host: '10.1.1.1', port: 0 },
    ];
    const reading = decodeResume(encodeResume({ ...sample(), peers: [...bad, ...peers] }), metaInfo);
    expect((reading as { record: ResumeRecord }).record.peers).toEqual(peers.slice(0, 100));
  });
});

describe('a record that cannot be used', () => {
  test('every flipped bit and every shortened length is noticed', () => {
    const bytes = encodeResume(sample());
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(reasonOf(decodeResume(flipped, metaInfo))).toBe('damaged');
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(reasonOf(decodeResume(bytes.subarray(0, length), metaInfo))).toBe('damaged');
    }
  });

  test('of another torrent is told apart', () => {
    const other = { ...sample(), infoHash: new Uint8Array(20).fill(1) };
    expect(reasonOf(decodeResume(encodeResume(other), metaInfo))).toBe('other-torrent');
  });

  test('of a newer release is told apart, whatever it holds', () => {
    expect(reasonOf(decodeResume(frame(2, utf8('anything')), metaInfo))).toBe('newer');
    expect(reasonOf(decodeResume(frame(99, utf8('d1:ai1ee')), metaInfo))).toBe('newer');
  });

  test.each([
    ['a bitfield that is too short', { have: new Uint8Array(0) }],
    ['a bitfield that is too long', { have: new Uint8Array(2) }],
    ['a bitfield with spare bits set', { have: Uint8Array.of(0xff) }],
    ['one file too few', { files: new Uint8Array(16 * 4) }],
    ['one file too many', { files: new Uint8Array(16 * 6) }],
    ['half a file', { files: new Uint8Array(16 * 5 - 1) }],
    ['one priority too many', { priorities: new Uint8Array(6) }],
    ['half a peer', { peers: new Uint8Array(7) }],
    ['an empty folder', { dir: '' }],
    ['a folder with a NUL', { dir: '/tmp\0/x' }],
    ['a folder that is not UTF-8', { dir: Uint8Array.of(0xff, 0xfe) }],
    ['a folder that is a number', { dir: 5 }],
    ['no bitfield', { have: undefined }],
  ])('with %s is damaged, though its checksum is right', (_, change) => {
    expect(reasonOf(decodeResume(frame(1, encode({ ...parts(), ...change })), metaInfo))).toBe('damaged');
  });

  test('the frame of these cases is one that is read if nothing is changed', () => {
    expect(decodeResume(frame(1, encode(parts())), metaInfo).ok).toBe(true);
  });

  test('numbers out of range are brought into it', () => {
    const change = { uploaded: -1, downloaded: 2n ** 63n - 1n, priorities: Uint8Array.of(0, 1, 2, 3, 255) };
    const reading = decodeResume(frame(1, encode({ ...parts(), ...change })), metaInfo);
    const { record } = reading as { record: ResumeRecord };
    expect([record.uploaded, record.downloaded]).toEqual([0, 0]);
    expect(record.priorities).toEqual(['skip', 'low', 'normal', 'high', 'high']);
  });

  test('random damage below a right checksum never throws', () => {
    const rng = fuzzRng(3);
    const body = encode(parts());
    for (let round = 0; round < rounds(3_000); round++) {
      const reading = decodeResume(frame(1, mutate(body, rng)), metaInfo);
      if (reading.ok) expect(reading.record.have.size).toBe(metaInfo.pieceCount);
    }
  });
});

describe('what is trusted', () => {
  test('all pieces while size and time of every file agree', () => {
    const record = sample();
    expect(trustedPieces(record, record.files, metaInfo).bytes).toEqual(record.have.bytes);
  });

  test('never more than the record claims', () => {
    const record = { ...sample(), have: new PieceSet(metaInfo.pieceCount) };
    expect(trustedPieces(record, record.files, metaInfo).isEmpty).toBe(true);
  });

  test.each([
    ['was gone', -1, 0],
    ['was cut', 40_000, 4],
  ])('no piece beyond the end of a file that %s already when the record was made', (_, size, end) => {
    const full = { ...sample(), have: PieceSet.full(metaInfo.pieceCount) };
    const files = full.files.map((file, i) => (i === 3 ? { ...file, size } : file));
    const trusted = trustedPieces({ ...full, files }, files, metaInfo);
    // File b begins with piece 2.
    expect(listOf(trusted)).toEqual([0, 1, 2, 3].filter((piece) => piece < Math.max(2, end)));
  });

  test('of a file that is not wanted and not there only the pieces that it shares with others', () => {
    const full = { ...sample(), have: PieceSet.full(metaInfo.pieceCount) };
    const files = full.files.map((file, i) => (i === 3 ? { size: -1, mtimeMs: 0 } : file));
    const priorities = full.priorities.map((priority, i) => (i === 3 ? 'skip' : priority));
    // File b fills pieces 2 to 5 and begins piece 6, where file c goes on.
    expect(listOf(trustedPieces({ ...full, files, priorities }, files, metaInfo))).toEqual([0, 1, 6]);
  });

  test.each([
    ['shorter', { size: 19_999 }],
    ['newer', { mtimeMs: 1_700_000_000_001 }],
    ['older', { mtimeMs: 1_600_000_000_000 }],
    ['gone', { size: -1, mtimeMs: 0 }],
  ])('no piece of a file that is %s', (_, change) => {
    const record = { ...sample(), have: PieceSet.full(metaInfo.pieceCount) };
    const stats = record.files.map((file, i) => (i === 0 ? { ...file, ...change } : file));
    // File a lies in pieces 0 and 1, which it fills up with a pad file; the others are of b and c.
    expect(listOf(trustedPieces(record, stats, metaInfo))).toEqual([2, 3, 4, 5, 6]);
  });

  test('empty files and pad files say nothing', () => {
    const record = { ...sample(), have: PieceSet.full(metaInfo.pieceCount) };
    const stats = record.files.map((file, i) => (i === 1 || i === 2 ? { size: -1, mtimeMs: 5 } : file));
    expect(trustedPieces(record, stats, metaInfo).isFull).toBe(true);
  });

  test('a change of a small file takes the pieces it shares with others', () => {
    const record = { ...sample(), have: PieceSet.full(metaInfo.pieceCount) };
    const stats = record.files.map((file, i) => (i === 4 ? { ...file, mtimeMs: 1 } : file));
    expect(listOf(trustedPieces(record, stats, metaInfo))).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

function sample(): ResumeRecord {
  const have = new PieceSet(metaInfo.pieceCount);
  for (const piece of [0, 2, 6]) have.add(piece);
  return {
    infoHash: metaInfo.infoHash,
    dir: '/home/someone/Downloads/ünïcödé',
    have,
    late: null,
    files: metaInfo.files.map(({ length }, i) => ({
      size: i === 4 ? -1 : length,
      mtimeMs: 1_700_000_000_000 + i / 8,
    })),
    priorities: ['normal', 'skip', 'low', 'high', 'skip'],
    uploaded: 123_456_789_012,
    downloaded: 5,
    peers: [
      { host: '192.0.2.7', port: 6881 },
      { host: '2001:db8::1', port: 65_535 },
    ],
  };
}

/** The members of a record as they are stored. */
function parts(): Record<string, string | number | Uint8Array> {
  return {
    dir: '/tmp',
    downloaded: 1,
    files: new Uint8Array(16 * 5),
    have: Uint8Array.of(0b1010_0000),
    'info hash': metaInfo.infoHash,
    peers: new Uint8Array(0),
    peers6: new Uint8Array(0),
    priorities: new Uint8Array(5),
    uploaded: 2,
  };
}

function frame(version: number, record: Uint8Array): Uint8Array {
  const checksum = sha1(concatBytes([utf8(String(version)), record]));
  return encode({ checksum, record, version });
}

function reasonOf(reading: ResumeReading): string {
  return reading.ok ? 'fine' : reading.reason;
}

function listOf(set: PieceSet): number[] {
  const pieces: number[] = [];
  set.forEach((piece) => pieces.push(piece));
  return pieces;
}
