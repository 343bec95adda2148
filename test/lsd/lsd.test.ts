import { describe, expect, test } from 'vitest';
import { LSD_GROUPS, readAnnouncement, writeAnnouncements } from '../../src/lsd/lsd.ts';
import { fromHex, toHex, toText, utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const HASH = fromHex('0123456789abcdef0123456789abcdef01234567')!;
const line = (...lines: string[]) => utf8(['BT-SEARCH * HTTP/1.1', ...lines, '', '', ''].join('\r\n'));
const infoHash = `Infohash: ${toHex(HASH)}`;

describe('an announcement on the local network (BEP 14)', () => {
  test('looks as in the BEP, with the group of its family', () => {
    const write = (family: 4 | 6) =>
      writeAnnouncements({ port: 6881, infoHashes: [HASH], cookie: 'c00k1e' }, family).map(toText);
    expect(write(4)).toEqual([
      'BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n' +
        'Infohash: 0123456789abcdef0123456789abcdef01234567\r\ncookie: c00k1e\r\n\r\n\r\n',
    ]);
    expect(write(6)[0]).toContain('Host: [ff15::efc0:988f]:6771\r\n');
    expect(LSD_GROUPS[4].port).toBe(LSD_GROUPS[6].port);
  });

  test('is read back, however many torrents it takes, in datagrams that need not be cut', () => {
    const infoHashes = Array.from({ length: 100 }, (_, i) => HASH.map((byte) => byte ^ i));
    const datagrams = writeAnnouncements({ port: 1, infoHashes, cookie: '0011223344556677' }, 6);
    expect(datagrams).toHaveLength(4);
    for (const datagram of datagrams) expect(datagram.length).toBeLessThanOrEqual(1400);
    const read = datagrams.flatMap((datagram) => readAnnouncement(datagram)!.infoHashes);
    expect(read).toEqual(infoHashes);
    expect(readAnnouncement(datagrams[0]!)).toMatchObject({ port: 1, cookie: '0011223344556677' });
    expect(writeAnnouncements({ port: 1, infoHashes: [], cookie: null }, 4)).toEqual([]);
  });

  test('may have its headers in any case and order, with others between them, and no cookie', () => {
    const odd = line(
      'INFOHASH:0123456789ABCDEF0123456789abcdef01234567',
      'X-What: ever',
      'no colon',
      'pOrT:  80 ',
    );
    expect(readAnnouncement(odd)).toEqual({ port: 80, infoHashes: [HASH], cookie: null });
  });

  test('leaves out what is no info hash', () => {
    const half = line('Port: 80', `${infoHash}0`, 'Infohash: zz', infoHash, `Infohash: ${'g'.repeat(40)}`);
    expect(readAnnouncement(half)!.infoHashes).toEqual([HASH]);
  });

  test.each([
    ['another method', utf8(`GET * HTTP/1.1\r\nPort: 80\r\n${infoHash}\r\n\r\n`)],
    ['no blank line', utf8(`BT-SEARCH * HTTP/1.1\r\nPort: 80\r\n${infoHash}\r\n`)],
    ['no port', line(infoHash)],
    ['port 0', line('Port: 0', infoHash)],
    ['port 65536', line('Port: 65536', infoHash)],
    ['a port in words', line('Port: abc', infoHash)],
    ['no info hash', line('Port: 80')],
    ['more than 1500 bytes', line('Port: 80', infoHash, `X: ${'x'.repeat(1500)}`)],
    ['nothing', new Uint8Array(0)],
  ])('is none with %s', (_, bytes) => {
    expect(readAnnouncement(bytes)).toBeNull();
  });

  test('survives whatever a neighbour makes of it', () => {
    const rng = fuzzRng(14);
    const [whole] = writeAnnouncements({ port: 6881, infoHashes: [HASH, HASH], cookie: 'abc' }, 4);
    let read = 0;
    for (let i = 0; i < rounds(5000); i++) {
      const announcement = readAnnouncement(mutate(whole!, rng));
      if (!announcement) continue;
      read++;
      const isWhole = announcement.infoHashes.every(({ length }) => length === 20);
      if (!isWhole || announcement.port < 1 || announcement.port > 65_535)
        expect.fail(JSON.stringify(announcement));
    }
    expect(read).toBeGreaterThan(0);
  });
});
