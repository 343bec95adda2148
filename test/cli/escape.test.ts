import { describe, expect, test } from 'vitest';
import { safeJson, safeText } from '../../src/cli/escape.ts';
import { writeMagnet } from '../../src/metainfo/magnet.ts';
import { shellQuote } from '../../src/cli/shell-quote.ts';

/** What terminals obey or readers are fooled by. */
const NASTY = [
  '\x1b[2J',
  '\x1b]0;title\x07',
  '\x1b]52;c;cm0gLXJmIH4=\x07',
  '\x9b31m',
  'a\rb',
  'a\nb',
  'a\bb',
  '\u202egnp.exe',
  'a\u2028b',
  'a\u2029b',
  '\u2066x\u2069',
  '\u200b',
  '\0',
  '\x7f',
  '\ud800',
  '\u{e0001}tag',
];

describe('text for people', () => {
  test.each(NASTY)('%j loses what a terminal could obey', (text) => {
    expect(safeText(`<${text}>`)).toMatch(/^<[^\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]*>$/u);
  });

  test('names in every script stay as they are', () => {
    for (const name of ['日本語', 'Ελληνικά', 'עברית', 'العربية', 'naïve café', '👍', 'e\u0301']) {
      expect(safeText(name)).toBe(name);
    }
  });
});

describe('JSON', () => {
  test.each(NASTY)('keeps %j exactly, with nothing a terminal could obey in it', (text) => {
    const json = safeJson({ [text]: [text, 1, null] });
    expect(json).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    expect(JSON.parse(json)).toEqual({ [text]: [text, 1, null] });
  });
});

describe('magnet links', () => {
  const magnet = (name: string): string =>
    writeMagnet({
      infoHashHex: 'ab'.repeat(20),
      name,
      trackers: [['http://a/?x=1&y'], ['udp://b:1']],
      webSeeds: ['http://w/'],
    });

  test('carry hash, name, trackers and web seeds', () => {
    expect(magnet('a b&c')).toBe(
      `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=a%20b%26c` +
        '&tr=http%3A%2F%2Fa%2F%3Fx%3D1%26y&tr=udp%3A%2F%2Fb%3A1&ws=http%3A%2F%2Fw%2F',
    );
  });

  test.each(NASTY)('are plain ASCII with the name %j', (text) => {
    expect(magnet(text)).toMatch(/^[\x21-\x7e]+$/);
  });
});

test('arguments are quoted as a shell reads them', () => {
  expect(shellQuote(['download', 'a b.torrent', "it's", '--peer=[::1]:5', ''])).toBe(
    `download 'a b.torrent' 'it'\\''s' '--peer=[::1]:5' ''`,
  );
});
