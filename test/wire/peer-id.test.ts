import { describe, expect, test } from 'vitest';
import { toText, utf8 } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';
import { clientOfPeerId, makePeerId } from '../../src/wire/peer-id.ts';
import { patterned } from './recording-sink.ts';

describe('our peer id', () => {
  test('is 20 bytes that begin with the prefix and go on with letters and digits', () => {
    const id = toText(makePeerId('-TT0100-', patterned(20)));
    expect(id).toMatch(/^-TT0100-[0-9A-Za-z]{12}$/);
  });

  test('differs when chance differs, and may have no prefix at all', () => {
    expect(makePeerId('', patterned(20, 1))).not.toEqual(makePeerId('', patterned(20, 2)));
    expect(makePeerId('', patterned(20))).toHaveLength(20);
  });
});

describe('the client behind a peer id', () => {
  test.each([
    ['-qB4620-abcdefghijkl', 'qBittorrent 4.6.2'],
    ['-TR2940-abcdefghijkl', 'Transmission 2.94'],
    ['-TR4050-abcdefghijkl', 'Transmission 4.0.5'],
    ['-TR300Z-abcdefghijkl', 'Transmission 3.00'],
    ['-DE211s-abcdefghijkl', 'Deluge 2.1.1'],
    ['-LT20B0-abcdefghijkl', 'libtorrent 2.0.11'],
    ['-lt0D60-abcdefghijkl', 'libTorrent (rTorrent) 0.13.6'],
    ['-WW0203-abcdefghijkl', 'WebTorrent 2.3'],
    ['-UT355W-abcdefghijkl', 'µTorrent 3.5.5'],
    ['-AZ5760-abcdefghijkl', 'Vuze 5.7.6'],
    ['-TT0100-abcdefghijkl', 'torrent-ts 0.1'],
    ['A2-1-36-0-abcdefghij', 'aria2 1.36.0'],
    ['M7-10-5--abcdefghijk', 'BitTorrent 7.10.5'],
    ['S58B-----abcdefghijk', "Shadow's client 5.8.11"],
    ['T03I-----abcdefghijk', 'BitTornado 0.3.18'],
    ['A310--000abcdefghijk', null],
    ['-ZZ1234-abcdefghijkl', null],
    ['exbc\x00\x01LORDabcdefghij', null],
    ['\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', null],
  ])('of %s is %s', (id, client) => {
    expect(clientOfPeerId(utf8(id).subarray(0, 20))).toBe(client);
  });

  test('is printable text whatever the bytes are', () => {
    const rng = new Rng(20);
    for (let run = 0; run < 20_000; run++) {
      const id = Uint8Array.from({ length: 20 }, () => rng.below(256));
      // A known beginning, so that what follows it is looked at.
      if (run % 2 === 0) id.set(utf8(run % 4 === 0 ? '-qB' : 'T'));
      const client = clientOfPeerId(id);
      if (client !== null) expect(client).toMatch(/^[\x20-\x7eµ]{1,64}$/);
    }
  });
});
