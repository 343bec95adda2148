import { describe, expect, test } from 'vitest';
import { TrackerError } from '../../src/errors.ts';
import type { AnnounceRequest } from '../../src/tracker/announce.ts';
import {
  isWholeReply,
  readAnnounceReply,
  readErrorReply,
  readReplyHeader,
  readRequest,
  readScrapeReply,
  writeAnnounce,
  writeAnnounceReply,
  writeConnect,
  writeErrorReply,
  writeScrape,
  writeScrapeReply,
} from '../../src/tracker/udp-codec.ts';
import { concatBytes, toHex, utf8 } from '../../src/util/bytes.ts';
import { writeCompactPeers } from '../../src/util/ip.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const CONNECTION_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const REQUEST: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(0xaa),
  peerId: new Uint8Array(20).fill(0xbb),
  port: 0x1ae1,
  uploaded: 2 ** 40,
  downloaded: 5,
  left: 2 ** 53 - 1,
  event: 'started',
  key: 0xdead_beef,
  numWant: 200,
};

describe('requests to a UDP tracker', () => {
  test('begin with the magic number of BEP 15', () => {
    expect(toHex(writeConnect(0x0102_0304))).toBe('00000417271019800000000001020304');
  });

  test('announce with every field where BEP 15 puts it', () => {
    expect(toHex(writeAnnounce(CONNECTION_ID, 7, REQUEST))).toBe(
      '0102030405060708' +
        '00000001' +
        '00000007' +
        'aa'.repeat(20) +
        'bb'.repeat(20) +
        '0000000000000005' +
        '001fffffffffffff' +
        '0000010000000000' +
        '00000002' +
        '00000000' +
        'deadbeef' +
        '000000c8' +
        '1ae1',
    );
  });

  test.each([
    [null, 0],
    ['completed', 1],
    ['started', 2],
    ['stopped', 3],
  ] as const)('say %s as %d', (event, number) => {
    expect(writeAnnounce(CONNECTION_ID, 7, { ...REQUEST, event })[83]).toBe(number);
  });

  test('carry path and query of the tracker behind the announce (BEP 41)', () => {
    const packet = writeAnnounce(CONNECTION_ID, 7, REQUEST, '/dir?a=b&c=d');
    expect(packet.subarray(98)).toEqual(concatBytes([Uint8Array.of(2, 12), utf8('/dir?a=b&c=d')]));
    expect(writeAnnounce(CONNECTION_ID, 7, REQUEST, '/')).toHaveLength(98);
  });

  test('split a path of more than 255 bytes over several options (BEP 41)', () => {
    const path = `/${'x'.repeat(600)}`;
    const options = writeAnnounce(CONNECTION_ID, 7, REQUEST, path).subarray(98);
    let joined = '';
    for (let i = 0; i < options.length; i += 2 + options[i + 1]!) {
      expect(options[i]).toBe(2);
      joined += new TextDecoder().decode(options.subarray(i + 2, i + 2 + options[i + 1]!));
    }
    expect(joined).toBe(path);
  });

  test('are read by the tracker as they were written', () => {
    expect(readRequest(writeConnect(9))).toEqual({ action: 'connect', transactionId: 9 });
    expect(readRequest(writeAnnounce(CONNECTION_ID, 9, REQUEST, '/x'))).toEqual({
      action: 'announce',
      transactionId: 9,
      connectionId: CONNECTION_ID,
      announce: REQUEST,
    });
    const infoHashes = [REQUEST.infoHash, REQUEST.peerId];
    expect(readRequest(writeScrape(CONNECTION_ID, 9, infoHashes))).toEqual({
      action: 'scrape',
      transactionId: 9,
      connectionId: CONNECTION_ID,
      infoHashes,
    });
  });

  test.each([
    ['a connect with another magic number', writeConnect(1).fill(1, 0, 4)],
    ['a connect cut short', writeConnect(1).subarray(0, 15)],
    ['an announce of 97 bytes', writeAnnounce(CONNECTION_ID, 1, REQUEST).subarray(0, 97)],
    ['an event that does not exist', writeAnnounce(CONNECTION_ID, 1, REQUEST).fill(9, 83, 84)],
    ['a scrape of nothing', writeScrape(CONNECTION_ID, 1, [])],
    ['nothing', new Uint8Array(0)],
  ])('are ignored by the tracker if they are %s', (_what, packet) => {
    expect(readRequest(packet)).toBeNull();
  });

  test('damaged in any way are read or ignored', () => {
    const rng = fuzzRng(11);
    const seeds = [
      writeConnect(1),
      writeAnnounce(CONNECTION_ID, 1, REQUEST, '/a'),
      writeScrape(CONNECTION_ID, 1, [REQUEST.infoHash]),
    ];
    for (let i = 0; i < rounds(4000); i++) {
      const request = readRequest(mutate(seeds[i % seeds.length]!, rng));
      if (request?.action === 'announce') expect(request.announce.infoHash).toHaveLength(20);
    }
  });
});

describe('replies of a UDP tracker', () => {
  const V4 = [{ host: '10.0.0.1', port: 6881 }];
  const V6 = [{ host: '2001:db8::1', port: 6881 }];
  const COUNTS = { interval: 1800, seeders: 3, leechers: 4 };

  test.each([
    [4, V4],
    [6, V6],
  ] as const)('list peers of the family of the socket: IPv%d', (family, peers) => {
    const packet = writeAnnounceReply(9, { ...COUNTS, peers: writeCompactPeers([...V4, ...V6], family) });
    expect(readReplyHeader(packet)).toEqual({ action: 1, transactionId: 9 });
    expect(readAnnounceReply(packet, family, 'udp://t')).toEqual({
      ...COUNTS,
      peers,
      minInterval: null,
      warning: null,
      externalIp: null,
      trackerId: null,
    });
  });

  test.each([
    ['nothing', 0, 0],
    ['7 bytes', 0, 7],
    ['a connect of 15 bytes', 0, 15],
    ['an announce of 19 bytes', 1, 19],
    ['a scrape of 7 bytes', 2, 7],
  ])('cut to %s are no replies', (_what, action, length) => {
    expect(isWholeReply(new Uint8Array(length), action)).toBe(false);
  });

  test('too short to have a transaction id belong to nobody', () => {
    expect(readReplyHeader(new Uint8Array(7))).toBeNull();
  });

  test.each([
    [4, 7],
    [6, 19],
    [6, 6],
  ] as const)('over IPv%d with a list of %d bytes are an error', (family, length) => {
    expect(readAnnounceReply(new Uint8Array(20 + length), family, 'udp://t')).toBeInstanceOf(TrackerError);
  });

  test('to a scrape keep the order of the request', () => {
    const counts = [
      { seeders: 1, leechers: 2, downloads: 3 },
      { seeders: 4, leechers: 5, downloads: 2 ** 32 - 1 },
    ];
    expect(readScrapeReply(writeScrapeReply(9, counts), 2, 'udp://t')).toEqual(counts);
  });

  test.each([8, 9, 19])('to a scrape of one torrent with %d bytes are an error', (length) => {
    expect(readScrapeReply(new Uint8Array(length), 1, 'udp://t')).toBeInstanceOf(TrackerError);
  });

  test('with an error of 64 KiB are cut and cleaned', () => {
    const message = readErrorReply(writeErrorReply(9, `\u001b[2Jbusy${'x'.repeat(65_000)}`));
    expect(message).toMatch(/^\ufffd\[2Jbusyx+$/);
    expect(message.length).toBeLessThanOrEqual(512);
  });

  test('damaged in any way are read or refused', () => {
    const rng = fuzzRng(13);
    const announce = writeAnnounceReply(9, { ...COUNTS, peers: writeCompactPeers(V4, 4) });
    const scrape = writeScrapeReply(9, [{ seeders: 1, leechers: 2, downloads: 3 }]);
    for (let i = 0; i < rounds(4000); i++) {
      const packet = mutate(i % 2 === 0 ? announce : scrape, rng);
      const header = readReplyHeader(packet);
      if (header === null) continue;
      if (isWholeReply(packet, 1)) readAnnounceReply(packet, i % 3 === 0 ? 6 : 4, 'udp://t');
      readScrapeReply(packet, 1, 'udp://t');
      expect(readErrorReply(packet).length).toBeLessThanOrEqual(512);
    }
  });
});
