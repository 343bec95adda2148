import { describe, expect, test } from 'vitest';
import { hasPlainHost, hasRealPort, isTrackerUrl, isWebSeedUrl } from '../../src/metainfo/announce-urls.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import type { Members } from './torrent-bytes.ts';
import { infoOf, torrentOf } from './torrent-bytes.ts';

describe('trackers', () => {
  test('tiers are kept in their order (BEP 12), and announce counts only without them', () => {
    const tiers = [
      ['udp://a.example:6969/announce', 'http://b.example/announce'],
      ['https://c.example:443/x?passkey=1'],
    ];
    expect(trackers({ announce: 'http://z.example/', 'announce-list': tiers })).toEqual(tiers);
    expect(trackers({ announce: 'http://z.example/', 'announce-list': [] })).toEqual([['http://z.example/']]);
    expect(trackers({ announce: 'http://z.example/', 'announce-list': [['ftp://x']] })).toEqual([
      ['http://z.example/'],
    ]);
  });

  test('a URL counts once, and empty tiers are left out', () => {
    const tiers = [
      ['udp://a.example:1', 'udp://a.example:1'],
      [],
      ['udp://a.example:1'],
      [' udp://b.example:1\n'],
    ];
    expect(trackers({ 'announce-list': tiers })).toEqual([['udp://a.example:1'], ['udp://b.example:1']]);
  });

  test('entries that are no URLs are dropped and the rest kept', () => {
    const tiers = [
      [1, { a: 1 }, ['http://nested.example/'], 'http://a.example/'],
      5,
      {},
      'udp://bare.example:80',
    ];
    expect(trackers({ 'announce-list': tiers })).toEqual([['http://a.example/'], ['udp://bare.example:80']]);
    expect(trackers({ announce: undefined, 'announce-list': 'text' })).toEqual([]);
    expect(trackers({ announce: 5 })).toEqual([]);
  });

  test('a hundred thousand of them are cut to 500', () => {
    const tiers = Array.from({ length: 100_000 }, (_, i) => [`udp://t${i}.example:80`]);
    expect(trackers({ 'announce-list': tiers })).toHaveLength(500);
  });

  test('a URL of a megabyte is dropped', () => {
    expect(trackers({ announce: `http://a.example/${'x'.repeat(1_048_576)}` })).toEqual([]);
  });

  test.each([
    'http://a.example',
    'HTTP://A.example/announce',
    'http://user:word@a.example:80/announce?x=1#y',
    'udp://[2001:db8::1]:6969',
    'http://[::1]/announce',
    'udp://192.0.2.1:6969/announce',
    'http://пример.example/',
  ])('%j is one', (url) => {
    expect(isTrackerUrl(url)).toBe(true);
  });

  test.each([
    'file:///etc/passwd',
    'ftp://a.example/',
    'javascript:alert(1)',
    'httpfoo://a.example/',
    'invalid url',
    'http://',
    'http:///announce',
    'http://:80/',
    'http://a.example:99999999/',
    'http://a b.example/',
    'http://a.example/\r\nHost: b',
    'http://a.example/\x1b]0;x',
    'wss://a.example/',
    '',
  ])('%j is none', (url) => {
    expect(isTrackerUrl(url)).toBe(false);
  });
});

describe('web seeds (BEP 19)', () => {
  test('one URL or a list of them, each once', () => {
    expect(webSeeds('http://a.example/')).toEqual(['http://a.example/']);
    expect(webSeeds(['http://a.example/', 'http://a.example/', 'https://b.example/x'])).toEqual([
      'http://a.example/',
      'https://b.example/x',
    ]);
  });

  test.each([5, {}, '', 'relative/path', [''], ['file:///x', 1, []], ['udp://a.example:1']])(
    '%j holds none',
    (value) => {
      expect(webSeeds(value as Members[string])).toEqual([]);
    },
  );

  test('only http and https serve files', () => {
    expect(isWebSeedUrl('https://a.example/file')).toBe(true);
    expect(isWebSeedUrl('ftp://a.example/file')).toBe(false);
  });
});

describe('the server of a URL', () => {
  test.each(['http://a.example', 'http://a.example:1/x:0', 'udp://[::1]:65535/', 'http://u:99999@a:80/'])(
    '%j has a port that exists',
    (url) => {
      expect(hasRealPort(url)).toBe(true);
    },
  );

  test.each(['http://a.example:99999/', 'udp://[::1]:65536', 'http://a:0', 'http://u:1@a:70000?x'])(
    '%j has not',
    (url) => {
      expect(hasRealPort(url)).toBe(false);
    },
  );

  test.each(['http://A-1.example/ü', 'https://u:p@a_b:1?x', 'http://[2001:db8::1]:80/', 'http://192.0.2.1'])(
    '%j is what it looks like',
    (url) => {
      expect(hasPlainHost(url)).toBe(true);
    },
  );

  test.each([
    'http://xn--80ak6aa92e.example/',
    'http://www.XN--80ak6aa92e.example/',
    'http://аpple.example/',
    'http://ｌｏｃａｌｈｏｓｔ/',
    'http://u@xn--a:80/',
    // What a URL parser makes of these is another server than they seem to name.
    'http://xn%2D%2D80ak6aa92e.example/',
    'http://xn--a\\@plain.example/',
    'http://evil.example\\@plain.example/',
  ])('%j may be something else', (url) => {
    expect(hasPlainHost(url)).toBe(false);
  });
});

function trackers(changes: Members): readonly (readonly string[])[] {
  return parseTorrent(torrentOf(infoOf(), changes)).trackers;
}

function webSeeds(value: Members[string]): readonly string[] {
  return parseTorrent(torrentOf(infoOf(), { 'url-list': value })).webSeeds;
}
