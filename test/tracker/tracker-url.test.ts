import { describe, expect, test } from 'vitest';
import { hasAnnouncePath, parseTrackerUrl } from '../../src/tracker/tracker-url.ts';

describe('the address of a tracker', () => {
  test('is taken apart into scheme, host, port and what goes over the wire', () => {
    expect(parseTrackerUrl('HTTP://Tracker.Example:8080/announce?passkey=1#x')).toEqual({
      scheme: 'http',
      host: 'tracker.example',
      port: 8080,
      path: '/announce?passkey=1',
      text: 'HTTP://Tracker.Example:8080/announce?passkey=1',
      key: 'http://tracker.example:8080/announce?passkey=1',
    });
    expect(parseTrackerUrl('udp://[::1]:6969')).toMatchObject({ scheme: 'udp', host: '::1', path: '' });
  });

  test('has the usual port of its scheme', () => {
    expect(parseTrackerUrl('http://a/announce')?.port).toBe(80);
    expect(parseTrackerUrl('https://a/announce')?.port).toBe(443);
  });

  test('is the same one however it is written', () => {
    expect(parseTrackerUrl('http://A:80/announce')?.key).toBe(parseTrackerUrl('http://a/announce')?.key);
    expect(parseTrackerUrl('http://a')?.key).toBe(parseTrackerUrl('http://a/')?.key);
  });

  test.each([
    'file:///etc/passwd',
    'ftp://a/announce',
    'javascript:alert(1)',
    'httpfoo://a/announce',
    'invalid url',
    '',
    'http://',
    'http:///announce',
  ])('of another kind is refused: %j', (text) => {
    expect(parseTrackerUrl(text)).toBeNull();
  });

  test.each([
    'udp://host',
    'udp://host:0',
    'udp://host:99999',
    'udp://host:-1',
    'udp://[::1',
    'http://h:0/announce',
  ])('without a port that exists is refused: %j', (text) => {
    expect(parseTrackerUrl(text)).toBeNull();
  });

  test.each(['info_hash', 'peer_id', 'port', 'uploaded', 'downloaded', 'left', 'event', 'key', 'INFO_HASH'])(
    'that already says %j is refused, since a torrent could forge requests with it',
    (name) => {
      expect(parseTrackerUrl(`http://a/announce?x=1&${name}=1`)).toBeNull();
    },
  );

  test('with a passkey in its query is none of those', () => {
    expect(parseTrackerUrl('http://a/announce.php?passkey=0123&report=1')).not.toBeNull();
  });

  test.each([
    'http://bittorrent.mozilla.xn--or-kgb/announce',
    'http://ｔracker.example/announce',
    'http://a b/announce',
    'http://a/announce\r\nHost: b',
    'http://a/\u0000',
  ])('with a look-alike name or control characters is refused: %j', (text) => {
    expect(parseTrackerUrl(text)).toBeNull();
  });

  test('longer than a request line is refused', () => {
    expect(parseTrackerUrl(`http://a/${'x'.repeat(2048)}`)).toBeNull();
  });

  test('is known by the last part of its path', () => {
    const has = (text: string): boolean => hasAnnouncePath(parseTrackerUrl(text)!);
    expect(has('http://a/announce')).toBe(true);
    expect(has('http://a/x/announce.php?y=/z')).toBe(true);
    expect(has('http://a/announce/x')).toBe(false);
    expect(has('http://a/latest/meta-data?x=/announce')).toBe(false);
    expect(has('http://a')).toBe(false);
  });
});
