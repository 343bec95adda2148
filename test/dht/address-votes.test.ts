import { expect, test } from 'vitest';
import { AddressVotes } from '../../src/dht/address-votes.ts';

const voter = (n: number): { host: string; port: number } => ({ host: `30.1.${n}.1`, port: 1 });

test('a few liars do not change who we are, most of many networks do', () => {
  const votes = new AddressVotes();
  for (let i = 0; i < 9; i++) votes.vote(voter(i), '9.9.9.9');
  expect(votes.agreed()).toBeNull();
  for (let i = 10; i < 30; i++) votes.vote(voter(i), '8.8.8.8');
  expect(votes.agreed()).toBe('8.8.8.8');
});

test('one network has one vote, however many nodes it has', () => {
  const votes = new AddressVotes();
  for (let i = 0; i < 200; i++) votes.vote({ host: `30.1.1.${i}`, port: 1 }, '9.9.9.9');
  expect(votes.agreed()).toBeNull();
});

test('a /48 of IPv6 has one vote: whoever is given one has 65,536 networks', () => {
  const votes = new AddressVotes();
  for (let i = 0; i < 200; i++) votes.vote({ host: `2600:1:2:${i.toString(16)}::1`, port: 1 }, '2600:9::9');
  expect(votes.agreed()).toBeNull();
  for (let i = 0; i < 10; i++) votes.vote({ host: `2600:1:${i.toString(16)}::1`, port: 1 }, '2600:9::9');
  expect(votes.agreed()).toBe('2600:9::9');
});

test('without a majority nothing is agreed', () => {
  const votes = new AddressVotes();
  for (let i = 0; i < 20; i++) votes.vote(voter(i), i % 2 === 0 ? '9.9.9.9' : `8.8.8.${i}`);
  expect(votes.agreed()).toBeNull();
});

test('neighbours see another address than the world', () => {
  const votes = new AddressVotes();
  votes.vote({ host: '192.168.1.7', port: 1 }, '192.168.1.2');
  votes.vote(voter(1), '8.8.8.8');
  votes.vote(voter(2), '10.0.0.1'); // Nobody out there can see this.
  expect(votes.likely('192.168.1.9')).toBe('192.168.1.2');
  expect(votes.likely('20.1.1.1')).toBe('8.8.8.8');
});
