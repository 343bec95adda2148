import { describe, expect, test } from 'vitest';
import { toText, utf8 } from '../../../src/util/bytes.ts';
import {
  NO_EXTENSIONS,
  readExtendedHandshake,
  writeExtendedHandshake,
  type ExtendedHandshake,
} from '../../../src/wire/extension/extended-handshake.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

describe('the extended handshake (BEP 10)', () => {
  const full: ExtendedHandshake = {
    messages: new Map([
      ['ut_metadata', 2],
      ['ut_pex', 1],
    ]),
    client: 'torrent-ts 0.1',
    port: 6881,
    requestQueue: 500,
    yourIp: '10.1.2.3',
    uploadOnly: true,
    metadataSize: 12_345,
  };

  test('is read back as it was written', () => {
    expect(readExtendedHandshake(writeExtendedHandshake(full))).toEqual(full);
    const v6 = { ...full, yourIp: '2001:db8::1' };
    expect(readExtendedHandshake(writeExtendedHandshake(v6))).toEqual(v6);
  });

  test('is the same to all but for the address at which we see them', () => {
    const to = (yourIp: string | null) => toText(writeExtendedHandshake({ ...full, yourIp }));
    const all =
      'd1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei12345e1:pi6881e4:reqqi500e11:upload_onlyi1e';
    expect(to(null)).toBe(`${all}1:v14:torrent-ts 0.1e`);
    expect(to('65.66.67.68')).toBe(`${all}1:v14:torrent-ts 0.16:yourip4:ABCDe`);
    expect(to(null)).toBe(`${all}1:v14:torrent-ts 0.1e`);
    expect(toText(writeExtendedHandshake({ ...full, yourIp: null, uploadOnly: false }))).not.toContain(
      'upload',
    );
  });

  test('leaves out what is not said', () => {
    expect(toText(writeExtendedHandshake(NO_EXTENSIONS))).toBe('d1:mde4:reqqi250ee');
    expect(readExtendedHandshake(utf8('de'))).toEqual(NO_EXTENSIONS);
  });

  test('is understood as the BEP gives it', () => {
    const example = 'd1:md11:LT_metadatai1e6:ut_pexi2ee1:pi6881e1:v13:µTorrent 1.2e';
    expect(readExtendedHandshake(utf8(example))).toEqual({
      ...NO_EXTENSIONS,
      messages: new Map([
        ['LT_metadata', 1],
        ['ut_pex', 2],
      ]),
      port: 6881,
      client: 'µTorrent 1.2',
    });
  });

  test('adds to what was said before, and switches extensions off with 0', () => {
    const first = read('d1:md6:ut_pexi1e11:ut_metadatai2ee4:reqqi400e1:v1:Xe');
    const second = readExtendedHandshake(utf8('d1:md6:ut_pexi0e5:othere'), first);
    expect(second).toBeNull();
    const third = readExtendedHandshake(utf8('d1:md6:ut_pexi0e7:lt_testi3eee'), first)!;
    expect([...third.messages]).toEqual([
      ['ut_metadata', 2],
      ['lt_test', 3],
    ]);
    expect(third.requestQueue).toBe(400);
    expect(third.client).toBe('X');
    expect([...first.messages]).toHaveLength(2);
  });

  test('may move an extension to another id', () => {
    const first = read('d1:md6:ut_pexi1eee');
    expect([...readExtendedHandshake(utf8('d1:md6:ut_pexi9eee'), first)!.messages]).toEqual([['ut_pex', 9]]);
  });

  test.each([
    ['a list', 'l1:ae'],
    ['cut off', 'd1:md6:ut_pexi1e'],
    ['nested without end', 'l'.repeat(10_000)],
    ['nothing', ''],
    ['of too many parts', `d1:ml${'i1e'.repeat(20_000)}ee`],
  ])('is ignored if it is %s', (_what, text) => {
    expect(readExtendedHandshake(utf8(text))).toBeNull();
  });

  test('drops ids that are no byte, and the second name for one id', () => {
    const text = 'd1:md1:ai-1e1:bi256e1:c1:x1:di9007199254740993e1:ei7e1:fi7e9:__proto__i8e1:gi255e1:hi0eee';
    const sorted = text.replace('9:__proto__i8e', '').replace('1:md', '1:md9:__proto__i8e');
    expect([...read(sorted).messages].sort()).toEqual([
      ['__proto__', 8],
      ['e', 7],
      ['g', 255],
    ]);
    expect(({} as Record<string, unknown>)['8']).toBeUndefined();
  });

  test('names at most 64 extensions', () => {
    const names = Array.from({ length: 200 }, (_, i) => `4:x${String(i).padStart(3, '0')}i${i + 1}e`);
    expect(read(`d1:md${names.join('')}ee`).messages.size).toBe(64);
  });

  test('keeps no name that is longer than 64 bytes, also if it comes bit by bit', () => {
    let handshake = read('de');
    for (let i = 0; i < 100; i++) {
      const long = `${i}`.padStart(60_000, 'x');
      handshake = readExtendedHandshake(utf8(`d1:md60000:${long}i${i + 1}eee`), handshake)!;
    }
    expect(handshake.messages.size).toBe(0);
    expect(read(`d1:md64:${'y'.repeat(64)}i1eee`).messages.size).toBe(1);
  });

  test.each([
    ['i0e', 1],
    ['i-1e', 1],
    ['i500e', 500],
    ['i2147483648e', 2_000],
    ['i9223372036854775807e', 2_000],
    ['4:many', 250],
  ])('takes a request queue of %s as %i', (value, expected) => {
    expect(read(`d4:reqq${value}e`).requestQueue).toBe(expected);
  });

  test('takes no port but 1 to 65535', () => {
    for (const port of [0, -1, 65_536]) expect(read(`d1:pi${port}ee`).port).toBeNull();
    expect(read('d1:pi65535ee').port).toBe(65_535);
  });

  test('takes no address but one of 4 or 16 bytes', () => {
    for (const length of [0, 3, 5, 17]) {
      expect(read(`d6:yourip${length}:${'a'.repeat(length)}e`).yourIp).toBeNull();
    }
    expect(read('d6:yourip4:abcde').yourIp).toBe('97.98.99.100');
  });

  test('takes no metadata size of zero, below it or above 32 MiB', () => {
    for (const size of ['i0e', 'i-1e', 'i2147483648e', 'i2038487152e', 'i9007199254740992e', '1:5']) {
      expect(read(`d13:metadata_size${size}e`).metadataSize).toBeNull();
    }
    expect(read('d13:metadata_sizei33554432ee').metadataSize).toBe(33_554_432);
  });

  test('keeps 64 characters of the name of a client, whole ones', () => {
    expect(read(`d1:v60000:${'x'.repeat(60_000)}e`).client).toBe('x'.repeat(64));
    const globes = '🌍'.repeat(100);
    expect(read(`d1:v400:${globes}e`).client).toBe('🌍'.repeat(64));
    expect(read('d1:v0:e').client).toBeNull();
  });

  test('says upload_only with any number but 0 (BEP 21)', () => {
    expect(read('d11:upload_onlyi1ee').uploadOnly).toBe(true);
    expect(read('d11:upload_onlyi0ee').uploadOnly).toBe(false);
    const before = read('d11:upload_onlyi1ee');
    expect(readExtendedHandshake(utf8('d11:upload_onlyi0ee'), before)!.uploadOnly).toBe(false);
    expect(readExtendedHandshake(utf8('de'), before)!.uploadOnly).toBe(true);
  });

  test('stays within its limits however it is damaged', () => {
    const honest = writeExtendedHandshake(full);
    for (let seed = 1; seed <= rounds(2_000); seed++) {
      const result = readExtendedHandshake(mutate(honest, fuzzRng(seed)));
      if (result === null) continue;
      expect(result.requestQueue).toBeGreaterThanOrEqual(1);
      expect(result.requestQueue).toBeLessThanOrEqual(2_000);
      expect(result.client?.length ?? 0).toBeLessThanOrEqual(128);
      for (const id of result.messages.values()) expect(id).toBeLessThanOrEqual(255);
    }
  });
});

function read(text: string): ExtendedHandshake {
  return readExtendedHandshake(utf8(text))!;
}
