import { expect, test } from 'vitest';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { writeTorrent } from '../../src/metainfo/write-torrent.ts';
import { MetainfoError } from '../../src/errors.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const INFO = utf8(`d6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:${'p'.repeat(20)}e`);

function nodesOf(bencoded: string): readonly { host: string; port: number }[] {
  const bytes = Buffer.concat([utf8('d4:info'), INFO, utf8(`5:nodes${bencoded}e`)]);
  return parseTorrent(bytes).nodes;
}

test('nodes are read with names and addresses, each once', () => {
  expect(nodesOf('ll9:127.0.0.1i6881eel14:router.examplei4804eel9:127.0.0.1i6881eel3:::1i5eee')).toEqual([
    { host: '127.0.0.1', port: 6881 },
    { host: 'router.example', port: 4804 },
    { host: '::1', port: 5 },
  ]);
});

test.each([
  ['no list', 'i5e'],
  ['an entry that is none', 'li5ee'],
  ['no port', 'll1:aee'],
  ['port 0', 'll1:ai0eee'],
  ['a port too high', 'll1:ai65536eee'],
  ['an empty host', 'll0:i1eee'],
  ['a host with a space', 'll3:a bi1eee'],
  ['a host with a control character', 'll2:a\u0007i1eee'],
  ['a host that is too long', `ll300:${'a'.repeat(300)}i1eee`],
])('%s is left out and the torrent taken', (_, bencoded) => {
  expect(nodesOf(bencoded)).toEqual([]);
});

test('of very many a few are taken', () => {
  const many = Array.from({ length: 1000 }, (_, i) => `l4:${String(i).padStart(4, 'n')}i1ee`).join('');
  expect(nodesOf(`l${many}e`)).toHaveLength(32);
});

test('what is written is read again', () => {
  const nodes = [{ host: 'router.example', port: 4804 }];
  expect(parseTorrent(writeTorrent(INFO, { nodes })).nodes).toEqual(nodes);
});

test('however damaged, they are a few hosts and ports, or the file is none', () => {
  const rng = fuzzRng(21);
  const good = utf8('ll9:127.0.0.1i6881eel14:router.examplei4804eel3:::1i5eel2:n1i1eel2:n2i65535eee');
  let taken = 0;
  for (let i = 0; i < rounds(5000); i++) {
    const bytes = Buffer.concat([utf8('d4:info'), INFO, utf8('5:nodes'), mutate(good, rng), utf8('e')]);
    let nodes: readonly { host: string; port: number }[];
    try {
      nodes = parseTorrent(bytes).nodes;
    } catch (error) {
      expect(error).toBeInstanceOf(MetainfoError);
      continue;
    }
    taken++;
    expect(nodes.length).toBeLessThanOrEqual(32);
    for (const { host, port } of nodes) {
      expect(host).toMatch(/^[\p{L}\p{N}.:_-]{1,255}$/u);
      expect(port).toBeGreaterThanOrEqual(1);
      expect(port).toBeLessThanOrEqual(65_535);
    }
  }
  expect(taken).toBeGreaterThan(200);
});
