import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/util/bytes.ts';
import { parseAddress } from '../../../src/util/ip.ts';
import { HolepunchError, readHolepunch, writeHolepunch } from '../../../src/wire/extension/ut-holepunch.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

describe('holepunch messages (BEP 55)', () => {
  const v4 = parseAddress('1.2.3.4:6881')!;
  const v6 = parseAddress('[2600::1]:80')!;

  test('have the layout of the BEP', () => {
    expect(toHex(writeHolepunch({ type: 'rendezvous', peer: v4, error: 0 }))).toBe(
      '0000010203041ae100000000',
    );
    expect(toHex(writeHolepunch({ type: 'connect', peer: v6, error: 0 }))).toBe(
      '010126000000000000000000000000000001005000000000',
    );
    expect(toHex(writeHolepunch({ type: 'error', peer: v4, error: HolepunchError.noSupport }))).toBe(
      '0200010203041ae100000003',
    );
  });

  test('are read back as they were written', () => {
    for (const type of ['rendezvous', 'connect', 'error'] as const) {
      for (const peer of [v4, v6]) {
        const message = { type, peer, error: type === 'error' ? 2 : 0 };
        expect(readHolepunch(writeHolepunch(message))).toEqual(message);
      }
    }
  });

  test('may leave out the error where there is none', () => {
    expect(readHolepunch(fromHex('0000010203041ae1')!)).toEqual({ type: 'rendezvous', peer: v4, error: 0 });
    expect(readHolepunch(fromHex('0200010203041ae1')!)).toBeNull();
  });

  test.each([
    '',
    '00',
    '0300010203041ae100000000',
    '0002010203041ae100000000',
    '0000010203041ae1000000',
    '00010102030405',
  ])('are nothing when they are %j', (hex) => {
    expect(readHolepunch(fromHex(hex)!)).toBeNull();
  });

  test('survive whatever a peer makes of them', () => {
    const rng = fuzzRng(55);
    for (let i = 0; i < rounds(5000); i++) {
      const read = readHolepunch(
        mutate(writeHolepunch({ type: 'connect', peer: i & 1 ? v4 : v6, error: 0 }), rng),
      );
      if (read) expect(readHolepunch(writeHolepunch(read))).toEqual(read);
    }
  });
});
