import { expect, test } from 'vitest';
import { ExternalAddress } from '../../src/engine/external-address.ts';

test('one voice is no proof of our address, two that agree are', () => {
  const external = new ExternalAddress();
  external.vote('9.0.0.1', '5.5.5.5');
  external.vote('9.0.0.1', '5.5.5.5');
  expect(external.of(4)).toBeNull();
  external.vote('9.0.1.1', '::ffff:5.5.5.5');
  expect(external.of(4)).toBe('5.5.5.5');
  expect(external.of(6)).toBeNull();
  expect(external.version).toBe(1);
});

test('liars need to be more than those who saw us, and a draw changes nothing', () => {
  const external = new ExternalAddress();
  for (const voter of ['a', 'b', 'c']) external.vote(voter, '5.5.5.5');
  for (const voter of ['x', 'y', 'z']) external.vote(voter, '6.6.6.6');
  expect(external.of(4)).toBe('5.5.5.5');
  external.vote('w', '6.6.6.6');
  expect(external.of(4)).toBe('6.6.6.6');
});

test('after a move the voices of before are outnumbered by the newest fifty', () => {
  const external = new ExternalAddress();
  for (let i = 0; i < 1000; i++) external.vote(`before ${i}`, '2600::1');
  for (let i = 0; i < 26; i++) external.vote(`after ${i}`, '2600::2');
  expect(external.of(6)).toBe('2600::2');
  expect(external.version).toBe(2);
});

test('what others on our network see says nothing about the world', () => {
  const external = new ExternalAddress();
  for (const ip of ['192.168.0.2', '127.0.0.1', 'fd00::1', 'nonsense']) {
    external.vote('a', ip);
    external.vote('b', ip);
  }
  expect([external.of(4), external.of(6), external.version]).toEqual([null, null, 0]);
});

test.each([
  ['a /24 of IPv4', (i: number) => `9.0.0.${i}`],
  ['a /48 of IPv6', (i: number) => `2001:db8:7:${i.toString(16)}::${i}`],
  ['the names below one domain', (i: number) => `tracker${i}.liar.example`],
])('%s is one voice, however many speak out of it', (_, voter) => {
  const external = new ExternalAddress();
  for (let i = 1; i < 200; i++) external.vote(voter(i), '6.6.6.6');
  expect(external.of(4)).toBeNull();
  external.vote('9.1.0.1', '5.5.5.5');
  external.vote('9.2.0.1', '5.5.5.5');
  expect(external.of(4)).toBe('5.5.5.5');
});

test('ten voices are of ten networks', () => {
  const external = new ExternalAddress();
  for (let i = 0; i < 250; i++) external.vote(`9.0.${i % 9}.${i}`, '5.5.5.5');
  expect(external.of(4, 10)).toBeNull();
  external.vote('9.0.9.1', '5.5.5.5');
  expect(external.of(4, 10)).toBe('5.5.5.5');
});
