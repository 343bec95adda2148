import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import * as parse from '../../src/cli/parse-values.ts';

describe.each([
  {
    parser: parse.parseSize,
    good: {
      '0': 0,
      '512': 512,
      '64K': 65_536,
      '1.5 GiB': 1_610_612_736,
      '5MB': 5_242_880,
      '2t': 2_199_023_255_552,
    },
    bad: ['', 'K', '-1', '1e9', '5X', 'NaN', '0x10', '1.', '99999999999T', '5 5'],
  },
  {
    parser: parse.parseRate,
    good: { '5M': 5_242_880, '500K/s': 512_000, '0': Infinity, unlimited: Infinity },
    bad: ['', 'NaN', '-5M', 'fast', '5M/m'],
  },
  {
    parser: parse.parseDuration,
    good: {
      '90': 90_000,
      '500ms': 500,
      '90s': 90_000,
      '5m': 300_000,
      '1h30m': 5_400_000,
      '1h 30m': 5_400_000,
      '2d': 172_800_000,
      '0': 0,
      '0.5s': 500,
    },
    bad: ['', 'soon', '1h30', '-5s', '5 parsecs', '1hm', 'ms'],
  },
  {
    parser: parse.parsePort,
    good: { '0': 0, '6881': 6881, '65535': 65_535 },
    bad: ['', 'abc', '65536', '-1', '1.5', ' 5', '0x50', '999999'],
  },
  {
    parser: parse.parseHostPort,
    good: {
      '127.0.0.1:6881': { host: '127.0.0.1', port: 6881 },
      'peer.example:1': { host: 'peer.example', port: 1 },
      '[::1]:65535': { host: '::1', port: 65_535 },
    },
    bad: [
      '',
      'host',
      'host:',
      ':5',
      'host:0',
      'host:65536',
      '::1:5',
      '[::1]',
      'a b:5',
      'http://x:5',
      'a:b:5',
    ],
  },
  {
    parser: parse.parseSelect,
    good: {
      '3': [3],
      '1-5': [[1, 5]],
      '1,4-6': [1, [4, 6]],
      '*.srt': ['*.srt'],
      '{a,b}/*': ['{a,b}/*'],
      '0': [0],
      '7-7': [[7, 7]],
    },
    bad: ['', '5-3', '1,,2', '-', '1-', '-1', ','],
  },
  { parser: parse.parseRatio, good: { '0': 0, '1': 1, '2.5': 2.5 }, bad: ['', '-1', 'x', '1e3', 'Infinity'] },
  { parser: parse.parseCount, good: { '1': 1, '200': 200 }, bad: ['', '0', '-1', '1.5', 'x'] },
  {
    parser: parse.parseTier,
    good: {
      'http://a/announce': ['http://a/announce'],
      'udp://a:1,https://b/x?y': ['udp://a:1', 'https://b/x?y'],
    },
    bad: ['', 'a', 'ftp://a', 'http://', 'http://a,', 'wss://a'],
  },
  { parser: parse.parseWebSeed, good: { 'http://a/b': 'http://a/b' }, bad: ['', 'a', 'udp://a:1'] },
  {
    parser: parse.parsePieceLength,
    good: { '16K': 16_384, '1M': 1_048_576, '64M': 67_108_864 },
    bad: ['', '8K', '128M', '3M', '100000', '0', '16385'],
  },
  {
    parser: parse.parseCounts,
    good: { '1': [1], '1,10,1000': [1, 10, 1000] },
    bad: ['', '0', '1,', '1;2', '-1', '1e3', '1000001'],
  },
  { parser: parse.parseMultiple, good: { '10': 10, '0.5': 0.5 }, bad: ['', '0', '-1', '1e9', 'x', '0.0'] },
  { parser: parse.parseMultiples, good: { '1:5:25': [1, 5, 25], '2': [2] }, bad: ['', '1:', '1:0', '1,5'] },
  {
    parser: parse.parsePercent,
    good: { '0': 0, '5%': 5, '100': 100, '2.5': 2.5 },
    bad: ['', '101', '-1', '5%%', 'x'],
  },
  {
    parser: parse.parseSeed,
    good: { '0': 0, '4294967295': 4_294_967_295 },
    bad: ['', '-1', '1.5', '4294967296', 'x'],
  },
])('$parser.name', ({ parser, good, bad }) => {
  test.each(Object.entries(good))('reads %j', (text, value) => {
    expect(parser(text)).toEqual(value);
  });

  test.each(bad)('refuses %j and says what it expects', (text) => {
    expect(() => parser(text)).toThrow(InvalidArgumentError);
    expect(() => parser(text)).toThrow(/^Expected /);
  });
});
