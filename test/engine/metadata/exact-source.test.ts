import { describe, expect, test } from 'vitest';
import { ExactSource } from '../../../src/engine/metadata/exact-source.ts';
import { TrackerError, type MetainfoError } from '../../../src/errors.ts';
import type { MetaInfo } from '../../../src/metainfo/metainfo.ts';
import { parseTorrent } from '../../../src/metainfo/parse-torrent.ts';
import type { HttpPort, HttpRequest, HttpResponse } from '../../../src/ports.ts';
import { concatBytes, utf8 } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { mutate } from '../../support/mutate.ts';

const torrentOf = (name: string): Uint8Array =>
  concatBytes([
    utf8(`d4:infod6:lengthi7e4:name${name.length}:${name}12:piece lengthi16384e6:pieces20:`),
    new Uint8Array(20),
    utf8('ee'),
  ]);
const TORRENT = torrentOf('right');

class Fetches implements HttpPort {
  readonly found: MetaInfo[] = [];
  readonly troubles: MetainfoError[] = [];
  readonly source: ExactSource;
  readonly asked: HttpRequest[] = [];
  #done: ((result: HttpResponse | TrackerError) => void) | null = null;

  constructor(urls: readonly string[], refuseLocal = false) {
    this.source = new ExactSource(this, {
      infoHash: parseTorrent(TORRENT).infoHash,
      urls,
      refuseLocal,
      onFound: (metaInfo) => this.found.push(metaInfo),
      onTrouble: (error) => this.troubles.push(error),
    });
    this.source.start();
  }

  get(request: HttpRequest, done: (result: HttpResponse | TrackerError) => void): { cancel(): void } {
    this.asked.push(request);
    this.#done = done;
    return { cancel: () => (this.#done = null) };
  }

  get isAsking(): boolean {
    return this.#done !== null;
  }

  answer(result: Uint8Array | number | TrackerError): void {
    const done = this.#done!;
    this.#done = null;
    if (result instanceof Error) done(result);
    else if (typeof result === 'number') done({ status: result, body: TORRENT });
    else done({ status: 200, body: result });
  }
}

const A = 'http://a.example/x.torrent';
const B = 'https://user:secret@b.example/x.torrent';

describe('the web servers that a magnet link names', () => {
  test('give the torrent that it is of', () => {
    const fetches = new Fetches([A, B]);
    fetches.answer(TORRENT);
    expect(fetches.found.map(({ name }) => name)).toEqual(['right']);
    expect(fetches.troubles).toEqual([]);
    expect(fetches.asked).toHaveLength(1);
  });

  test('are asked one after the other, once, and why each failed is told without passwords', () => {
    const fetches = new Fetches([B, A, A, A]);
    fetches.answer(404);
    fetches.answer(torrentOf('wrong'));
    fetches.answer(utf8('<!doctype html>'));
    fetches.answer(new TrackerError('no answer within 30 s', A));
    expect(fetches.isAsking).toBe(false);
    expect(fetches.found).toEqual([]);
    expect(fetches.troubles.map(({ message }) => message)).toEqual([
      'no torrent from https://b.example/x.torrent: status 404',
      `no torrent from ${A}: another torrent than the link is of`,
      expect.stringContaining(`no torrent from ${A}: `),
      expect.stringContaining('no answer within 30 s'),
    ]);
  });

  test('are asked again from the first one when it starts again, and not while it is stopped', () => {
    const fetches = new Fetches([A, B]);
    fetches.answer(500);
    fetches.source.stop();
    expect(fetches.isAsking).toBe(false);
    fetches.source.start();
    expect(fetches.asked.map(({ url }) => url)).toEqual([A, B, A]);
  });

  test('may not be in local address ranges if their URL has a query, nor if local trackers are refused', () => {
    const refusesLocal = (...args: ConstructorParameters<typeof Fetches>): boolean =>
      new Fetches(...args).asked[0]!.refuseLocal;
    expect(refusesLocal([A])).toBe(false);
    expect(refusesLocal([`${A}?do=it`])).toBe(true);
    expect(refusesLocal([A], true)).toBe(true);
  });

  test('are believed for nothing but the torrent, however an answer is damaged', () => {
    const rng = new Rng(11);
    for (let i = 0; i < 3000; i++) {
      const fetches = new Fetches([A]);
      fetches.answer(mutate(TORRENT, rng));
      expect(fetches.found.length + fetches.troubles.length).toBe(1);
      for (const { name, length } of fetches.found)
        expect({ name, length }).toEqual({ name: 'right', length: 7 });
    }
  });
});
