import { expect, test } from 'vitest';
import { parseHostPort } from '../../src/util/host-port.ts';

test.each([
  ['router.example:6881', { host: 'router.example', port: 6881 }],
  ['127.0.0.1:1', { host: '127.0.0.1', port: 1 }],
  ['[2001:db8::1]:65535', { host: '2001:db8::1', port: 65_535 }],
])('%s is a host and a port', (text, expected) => {
  expect(parseHostPort(text)).toEqual(expected);
});

test.each([
  '',
  'host',
  'host:',
  ':1',
  'host:0',
  'host:65536',
  '::1:5',
  'a b:1',
  'a/b:1',
  'u@h:1',
  `${'a'.repeat(256)}:1`,
])('%j is none', (text) => {
  expect(parseHostPort(text)).toBe(null);
});
