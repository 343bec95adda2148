import { describe, expect, test } from 'vitest';
import { MagnetError } from '../../src/errors.ts';
import { parseMagnet, writeMagnet } from '../../src/metainfo/magnet.ts';
import { toText, utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const HEX = 'cab507494d02ebb1178b38f2e9d7be299c86b862';
const BASE32 = 'ZK2QOSKNALV3CF4LHDZOTV56FGOINODC';
const XT = `xt=urn:btih:${HEX}`;

const EVERYTHING =
  `magnet:?${XT}&dn=Some%20name&tr=http%3A%2F%2Ft.example%2Fannounce&tr=udp%3A%2F%2Fu.example%3A80` +
  '&ws=https%3A%2F%2Fw.example%2Ffiles%2F&xs=https%3A%2F%2Fw.example%2Fa.torrent%3Fkey%3D1&x.pe=10.1.2.3:6881&x.pe=[2001:db8::7]:51413&so=0,2,4,6-8';

describe('a magnet link', () => {
  test('tells all that it says', () => {
    expect(parseMagnet(EVERYTHING)).toEqual({
      infoHash: Uint8Array.from(Buffer.from(HEX, 'hex')),
      infoHashHex: HEX,
      name: 'Some name',
      trackers: ['http://t.example/announce', 'udp://u.example:80'],
      webSeeds: ['https://w.example/files/'],
      exactSources: ['https://w.example/a.torrent?key=1'],
      peers: [
        { host: '10.1.2.3', port: 6881 },
        { host: '2001:db8::7', port: 51413 },
      ],
      select: [
        [0, 0],
        [2, 2],
        [4, 4],
        [6, 8],
      ],
    });
  });

  test('is written so that reading it gives the same', () => {
    const magnet = parseMagnet(EVERYTHING);
    expect(parseMagnet(writeMagnet(magnet))).toEqual(magnet);
  });

  test('with nothing but its hash knows nothing else', () => {
    expect(parseMagnet(`magnet:?${XT}`)).toMatchObject({
      name: null,
      trackers: [],
      webSeeds: [],
      exactSources: [],
      peers: [],
      select: null,
    });
  });

  test.each([
    ['in base32', `magnet:?xt=urn:btih:${BASE32}`],
    ['in base32 of small letters', `magnet:?xt=urn:btih:${BASE32.toLowerCase()}`],
    ['in capitals', `MAGNET:?XT=URN:BTIH:${HEX.toUpperCase()}`],
    ['percent-encoded', `magnet:?xt=urn%3Abtih%3A${HEX}`],
    ['among spaces and lines', ` \n magnet:?${XT} \n`],
    ['out of a page’s source', `magnet:?dn=a&amp;${XT}`],
    ['counted', `magnet:?xt.1=urn:btih:${HEX}&xt.2=urn:sha1:AAAA`],
    ['without a question mark', `magnet:${XT}`],
    ['of a hybrid torrent', `magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}&${XT}`],
    ['after a hash of another kind', `magnet:?xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1&${XT}`],
  ])('gives its hash when that is %s', (_, link) => {
    expect(parseMagnet(link).infoHashHex).toBe(HEX);
  });

  test.each([
    ['is no magnet link', 'http://example.com/'],
    ['has no hash', 'magnet:?dn=x'],
    ['is empty', 'magnet:'],
    ['has a hash of another kind alone', 'magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C'],
    ['has 39 digits', `magnet:?xt=urn:btih:${HEX.slice(1)}`],
    ['has 41 digits', `magnet:?xt=urn:btih:${HEX}0`],
    ['has digits that are none', `magnet:?xt=urn:btih:${HEX.slice(1)}g`],
    ['has a space in its hash', `magnet:?xt=urn:btih:${HEX.slice(1)}%20`],
    ['has 31 letters', `magnet:?xt=urn:btih:${BASE32.slice(1)}`],
    ['has letters that base32 has not', `magnet:?xt=urn:btih:${BASE32.slice(1)}1`],
    ['has a v2 hash with another prefix', `magnet:?xt=urn:btmh:1120${'ab'.repeat(32)}`],
    ['has a short v2 hash', `magnet:?xt=urn:btmh:1220${'ab'.repeat(31)}`],
    ['is longer than any', `magnet:?${XT}&dn=${'x'.repeat(1 << 20)}`],
  ])('that %s is an error with a code', (_, link) => {
    expect(() => parseMagnet(link)).toThrow(MagnetError);
    expect(() => parseMagnet(link)).toThrow(expect.objectContaining({ code: 'ERR_MAGNET' }));
  });

  test('of a torrent that has a v2 hash alone is told to be unsupported', () => {
    const link = `magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}`;
    expect(() => parseMagnet(link)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', field: 'xt' }),
    );
  });
});

describe('hints that are of no use', () => {
  const hint = (text: string): ReturnType<typeof parseMagnet> => parseMagnet(`magnet:?${text}&${XT}`);

  test('are left out, and the rest is kept', () => {
    expect(hint('tr=%&tr=%zz&tr=http%3a//&tr=wss://t.example&tr=http://good.example/a').trackers).toEqual([
      'http://good.example/a',
    ]);
    expect(hint('ws=ftp://w.example&ws=javascript:1').webSeeds).toEqual([]);
    const elsewhere = ['urn:btih:0', 'urn:btpk:0', 'file:///etc/passwd', 'dchub://d.example', 'x.torrent'];
    expect(hint(elsewhere.map((url) => `xs=${url}`).join('&')).exactSources).toEqual([]);
  });

  test('as peers are names, ports that are none, and addresses nobody can dial', () => {
    const peers = [
      'h:1',
      '1.2.3.4:99999',
      '1.2.3.4:0',
      '1.2.3.4',
      '[::1]:0',
      '0.0.0.0:1',
      '224.0.0.1:1',
      '2001:db8::1:6881',
    ];
    expect(hint(peers.map((peer) => `x.pe=${peer}`).join('&')).peers).toEqual([]);
  });

  test('as selections are ranges that run backwards and what is no number', () => {
    expect(hint('so=5-2,-1,a,,1.5,3').select).toEqual([[3, 3]]);
    expect(hint('so=').select).toBeNull();
  });

  test('cannot make a range cost anything', () => {
    expect(hint('so=0-4294967295').select).toEqual([[0, 8_388_607]]);
  });

  test('as a name lose what moves cursors and names files', () => {
    expect(hint('dn=..%2F..%2Fa%1b%5B2Jb%E2%80%AEc').name).toBe('../../a [2Jb c');
    expect(Array.from(hint(`dn=${'é'.repeat(2000)}`).name!)).toHaveLength(255);
    expect(hint('dn=a+b').name).toBe('a b');
  });

  test('are counted: no more of each is taken than is ever used', () => {
    const many = (make: (i: number) => string): string =>
      Array.from({ length: 900 }, (_, i) => make(i)).join('&');
    expect(hint(many((i) => `tr=http://t${i}.example/`)).trackers).toHaveLength(100);
    expect(hint(many((i) => `ws=http://w${i}.example/`)).webSeeds).toHaveLength(100);
    expect(hint(many((i) => `xs=http://w${i}.example/`)).exactSources).toHaveLength(5);
    expect(hint(many((i) => `x.pe=10.0.${i >> 8}.${i & 255}:1`)).peers).toHaveLength(100);
    expect(hint(`so=${Array.from({ length: 5000 }, (_, i) => i).join(',')}`).select).toHaveLength(1000);
  });

  test('cannot make a link full of spaces take longer to read', () => {
    const name = `a${' '.repeat(250_000)}b`;
    expect(parseMagnet(`magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=${name}`).name).toBe('a');
  });

  test('come once, however often they are said', () => {
    const link = hint('tr=http://a.example/&tr=http://a.example/&x.pe=1.2.3.4:5&x.pe=1.2.3.4:5');
    expect(link.trackers).toHaveLength(1);
    expect(link.peers).toHaveLength(1);
  });
});

test('a damaged link is an error of its own kind or still a link, and never anything else', () => {
  const rng = fuzzRng(7);
  for (let i = 0; i < rounds(5000); i++) {
    const link = toText(mutate(utf8(EVERYTHING), rng));
    try {
      const magnet = parseMagnet(link);
      expect(magnet.infoHash).toHaveLength(20);
      for (const url of magnet.exactSources) expect(url).toMatch(/^https?:\/\/[^\s]+$/i);
    } catch (error) {
      if (!(error instanceof MagnetError)) throw error;
    }
  }
});
