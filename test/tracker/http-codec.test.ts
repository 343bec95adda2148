import { describe, expect, test } from 'vitest';
import type { Encodable } from '../../src/bencode/codec.ts';
import { encode } from '../../src/bencode/codec.ts';
import { TrackerError } from '../../src/errors.ts';
import type { Encryption } from '../../src/options.ts';
import type { AnnounceRequest, AnnounceResponse } from '../../src/tracker/announce.ts';
import { PEERS_MAX } from '../../src/tracker/announce.ts';
import { announceUrl, readAnnounceAnswer } from '../../src/tracker/http-codec.ts';
import { parseTrackerUrl } from '../../src/tracker/tracker-url.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const URL_TEXT = 'http://tracker.example/announce';

const REQUEST: AnnounceRequest = {
  infoHash: Uint8Array.from({ length: 20 }, (_, i) => i * 13),
  peerId: utf8('-TT0100-abcdefghijkl'),
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: 'started',
  key: 0x00ab_cdef,
  numWant: 200,
};

describe('the URL of an announce', () => {
  test('says what BEP 3, 7 and 23 ask for, with bytes percent-encoded one by one', () => {
    expect(announceUrl(parseTrackerUrl(URL_TEXT)!, REQUEST)).toBe(
      `${URL_TEXT}?info_hash=%00%0D%1A%274AN%5Bhu%82%8F%9C%A9%B6%C3%D0%DD%EA%F7` +
        '&peer_id=-TT0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1' +
        '&numwant=200&key=00abcdef&event=started',
    );
  });

  test('says which connections to peers are wanted, if they may be encrypted', () => {
    const crypto = (encryption: Encryption): string[] =>
      announceUrl(parseTrackerUrl(URL_TEXT)!, { ...REQUEST, encryption }).match(/\w+crypto=\w+/g) ?? [];
    expect(crypto('off')).toEqual([]);
    expect(crypto('prefer')).toEqual(['supportcrypto=1']);
    expect(crypto('require')).toEqual(['supportcrypto=1', 'requirecrypto=1']);
  });

  test('keeps the query that the tracker came with', () => {
    const url = (text: string): string => announceUrl(parseTrackerUrl(text)!, REQUEST);
    expect(url('http://a/announce?passkey=1')).toContain('/announce?passkey=1&info_hash=');
    expect(url('http://a/announce?')).toContain('/announce?info_hash=');
  });

  test('leaves out the event of a regular announce and echoes the tracker id', () => {
    const url = announceUrl(parseTrackerUrl(URL_TEXT)!, { ...REQUEST, event: null }, utf8('a&b'));
    expect(url).not.toContain('event=');
    expect(url).toMatch(/&trackerid=a%26b$/);
  });
});

describe('the answer to an announce', () => {
  test('gives times, counts, peers of both families and our own address', () => {
    const answer = good({
      interval: 1800,
      'min interval': 60,
      complete: 3,
      incomplete: 4,
      peers: Uint8Array.of(10, 0, 0, 1, 0x1a, 0xe1),
      peers6: Uint8Array.of(0x20, 1, ...new Array<number>(13).fill(0), 1, 0x1a, 0xe1),
      'external ip': Uint8Array.of(192, 0, 2, 7),
      'tracker id': 'abc',
      'warning message': 'moving soon',
    });
    expect(answer).toEqual({
      interval: 1800,
      minInterval: 60,
      seeders: 3,
      leechers: 4,
      peers: [
        { host: '10.0.0.1', port: 6881 },
        { host: '2001::1', port: 6881 },
      ],
      externalIp: '192.0.2.7',
      trackerId: utf8('abc'),
      warning: 'moving soon',
    });
  });

  test('may list peers as dictionaries, IPv6 among them', () => {
    const peers = [
      { ip: '10.0.0.1', port: 1, 'peer id': REQUEST.peerId },
      { ip: '2001:db8:0::1', port: 65535 },
    ];
    expect(good({ peers }).peers).toEqual([
      { host: '10.0.0.1', port: 1 },
      { host: '2001:db8::1', port: 65535 },
    ]);
  });

  test('may have its keys unsorted, as some trackers send them', () => {
    const answer = readAnnounceAnswer(200, utf8('d5:peers0:8:intervali60ee'), URL_TEXT);
    expect(answer).toMatchObject({ interval: 60, peers: [] });
  });

  test.each(['<html>down</html>', '', 'd', 'le', 'i1e', 'd5:peers0:', 'd5:peers0:ejunk'])(
    'that is no bencoded dictionary is an error: %j',
    (body) => {
      expect(readAnnounceAnswer(200, utf8(body), URL_TEXT)).toBeInstanceOf(TrackerError);
    },
  );

  test.each([0, 301, 404, 500, 599])('with status %d is an error that names it', (status) => {
    const error = bad(status, encode({ interval: 1800, peers: '' }));
    expect(error.message).toContain(String(status));
    expect(error.url).toBe(URL_TEXT);
  });

  test('with status 4xx and a reason gives the reason', () => {
    expect(bad(403, encode({ 'failure reason': 'unregistered torrent' })).message).toBe(
      'unregistered torrent',
    );
  });

  test('cuts a reason of a megabyte and takes out what would move the cursor', () => {
    const reason = `\u001b]0;pwn\u0007\r\n\u202eline\u2028${'x'.repeat(1_000_000)}`;
    const { message } = bad(200, encode({ 'failure reason': reason }));
    expect(message.length).toBeLessThanOrEqual(512);
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
    expect(message).toContain('line');
  });

  test('with an empty reason still is a refusal', () => {
    expect(bad(200, encode({ 'failure reason': '', peers: '' })).message).not.toBe('');
  });

  test.each([
    ['peers', 7],
    ['peers', 1],
    ['peers6', 19],
    ['peers6', 6],
  ])('with %s of %d bytes is an error', (key, length) => {
    bad(200, encode({ interval: 1800, [key]: new Uint8Array(length) }));
  });

  test.each([5, { a: 1 }])('with peers of another kind is an error: %j', (peers) => {
    bad(200, encode({ interval: 1800, peers }));
  });

  test('skips port 0, which nothing can be sent to', () => {
    const peers = Uint8Array.of(10, 0, 0, 1, 0, 0, 10, 0, 0, 2, 0, 1);
    expect(good({ peers }).peers).toEqual([{ host: '10.0.0.2', port: 1 }]);
  });

  test('skips bad entries of a list of dictionaries', () => {
    const peers: Encodable[] = [
      'text',
      7,
      [],
      {},
      { ip: '10.0.0.1' },
      { port: 1 },
      { ip: 1, port: 1 },
      { ip: '10.0.0.1', port: -1 },
      { ip: '10.0.0.1', port: 65536 },
      { ip: '10.0.0.1', port: 0 },
      { ip: 'x'.repeat(10_000), port: 1 },
      { ip: 'peer.example', port: 1 },
      { ip: '10.0.0.9', port: 9, 'peer id': 'abc' },
    ];
    expect(good({ peers }).peers).toEqual([{ host: '10.0.0.9', port: 9 }]);
  });

  test('with nothing but bad entries is an error, with an empty list it is not', () => {
    bad(200, encode({ peers: ['text', {}] }));
    expect(good({ peers: [] }).peers).toEqual([]);
  });

  test('gives at most 3000 peers, whatever it lists', () => {
    expect(good({ peers: new Uint8Array(6 * 170_000).fill(7) }).peers).toHaveLength(PEERS_MAX);
    const peers = Array.from({ length: 10_000 }, () => ({ ip: '10.0.0.1', port: 1 }));
    expect(good({ peers }).peers).toHaveLength(PEERS_MAX);
  });

  test.each([0, -5, 'x'])('treats an interval of %j as none', (interval) => {
    expect(good({ interval, 'min interval': interval }).interval).toBeNull();
  });

  test('ignores counts below zero, a tracker id of a megabyte and an address of 5 bytes', () => {
    const answer = good({
      complete: -1,
      incomplete: 'many',
      'tracker id': new Uint8Array(1_000_000),
      'external ip': new Uint8Array(5),
    });
    expect(answer).toMatchObject({ seeders: null, leechers: null, trackerId: null, externalIp: null });
  });

  test('without any field still is an answer', () => {
    expect(good({})).toMatchObject({ interval: null, peers: [], seeders: null });
  });

  test('damaged in any way is read or refused, never more', () => {
    const rng = fuzzRng(7);
    const seeds = [
      encode({
        interval: 1800,
        complete: 1,
        peers: new Uint8Array(60).fill(9),
        'external ip': new Uint8Array(4),
      }),
      encode({ peers: [{ ip: '10.0.0.1', port: 1 }], 'tracker id': 'x', 'warning message': 'y' }),
      encode({ 'failure reason': 'no' }),
    ];
    for (let i = 0; i < rounds(10_000); i++) {
      const answer = readAnnounceAnswer(200, mutate(seeds[i % seeds.length]!, rng), URL_TEXT);
      if (!(answer instanceof TrackerError)) expect(answer.peers.length).toBeLessThanOrEqual(PEERS_MAX);
    }
  });
});

function good(answer: Readonly<Record<string, Encodable>>): AnnounceResponse {
  const read = readAnnounceAnswer(200, encode(answer), URL_TEXT);
  if (read instanceof TrackerError) throw read;
  return read;
}

function bad(status: number, body: Uint8Array): TrackerError {
  const read = readAnnounceAnswer(status, body, URL_TEXT);
  expect(read).toBeInstanceOf(TrackerError);
  return read as TrackerError;
}
