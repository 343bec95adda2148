import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { join } from 'node:path';
import type { Script } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CodeCache } from '../../src/cli/code-cache.ts';
import { Rng } from '../../src/util/rng.ts';
import { temporaryFolder } from '../support/tree.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder('code-cache');
});
afterEach(() => folder.remove());

const TWICE = 'exports.double = (number) => number * 2;';
const THRICE = 'exports.double = (number) => number * 3;';

function compile(cache: CodeCache, source: string, name = 'program.js'): Script {
  return cache.compile(join(folder.path, name), Buffer.from(source));
}

function double(script: Script, number: number): number {
  const exports: { double?: (number: number) => number } = {};
  (script.runInThisContext() as (module: unknown, exports: unknown) => void)({ exports }, exports);
  return exports.double!(number);
}

/** A folder whose cache holds `TWICE`; resolves to the path of the cache. */
function filled(): string {
  const cache = new CodeCache(folder.path, 'run', {});
  double(compile(cache, TWICE), 1);
  cache.save();
  return join(folder.path, readdirSync(folder.path)[0]!);
}

describe('compiled code', () => {
  test('is taken from the cache the next time, and does the same', () => {
    filled();
    const script = compile(new CodeCache(folder.path, 'run', {}), TWICE);
    expect(script.cachedDataRejected).toBe(false);
    expect(double(script, 21)).toBe(42);
  });

  test('is taken for its own source only, though V8 would take it for any of the same length', () => {
    filled();
    const script = compile(new CodeCache(folder.path, 'run', {}), THRICE);
    expect(double(script, 21)).toBe(63);
  });

  test('is taken for its own command only', () => {
    filled();
    expect(compile(new CodeCache(folder.path, 'walk', {}), TWICE).cachedDataRejected).toBeUndefined();
  });

  test('of files that this run did not load is kept', () => {
    filled();
    const second = new CodeCache(folder.path, 'run', {});
    compile(second, THRICE, 'other.js');
    second.save();
    const third = new CodeCache(folder.path, 'run', {});
    expect(compile(third, TWICE).cachedDataRejected).toBe(false);
    expect(compile(third, THRICE, 'other.js').cachedDataRejected).toBe(false);
  });

  test('that is damaged never reaches V8', () => {
    const path = filled();
    const whole = readFileSync(path);
    const rng = new Rng(7);
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(whole);
      const at = rng.below(damaged.length);
      damaged[at] = damaged[at]! ^ (1 << rng.below(8));
      writeFileSync(path, round % 2 === 0 ? damaged : whole.subarray(0, at));
      const script = compile(new CodeCache(folder.path, 'run', {}), TWICE);
      expect(script.cachedDataRejected).toBeUndefined();
      expect(double(script, 21)).toBe(42);
    }
  });
});

describe('the file', () => {
  test('is written when something had to be compiled, and not again', () => {
    const path = filled();
    const again = new CodeCache(folder.path, 'run', {});
    compile(again, TWICE);
    writeFileSync(path, 'as it was');
    again.save();
    expect(readFileSync(path, 'utf8')).toBe('as it was');
  });

  test('is written once, however often that is asked for', () => {
    const cache = new CodeCache(folder.path, 'run', {});
    compile(cache, TWICE);
    cache.save();
    const [name] = readdirSync(folder.path);
    rmSync(join(folder.path, name!));
    cache.save();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('that cannot be written does not keep the program from ending well', () => {
    const cache = new CodeCache(folder.path, 'x'.repeat(300), {});
    compile(cache, TWICE);
    cache.save();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('may be changed by nobody but its owner', () => {
    const mask = process.umask(0);
    try {
      expect(statSync(filled()).mode & 0o777).toBe(0o644);
    } finally {
      process.umask(mask);
    }
  });

  test.each([
    ['null', null],
    ['a number for code', { 'run.js': { source: 1, code: 5 } }],
    ['text', 'text'],
  ])('that holds %s in place of compiled code is as good as none', (_what, content) => {
    const bytes = serialize(content);
    const crc = Buffer.alloc(4);
    crc.writeUInt32LE(crc32(bytes));
    writeFileSync(filled(), Buffer.concat([crc, bytes]));
    const script = compile(new CodeCache(folder.path, 'run', {}), TWICE);
    expect(double(script, 21)).toBe(42);
  });

  test('is left out where nothing can be written', () => {
    const cache = new CodeCache(join(folder.path, 'nowhere'), 'run', {});
    expect(double(compile(cache, TWICE), 21)).toBe(42);
    cache.save();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('is neither read nor written with NODE_DISABLE_COMPILE_CACHE', () => {
    const path = filled();
    const cache = new CodeCache(folder.path, 'run', { NODE_DISABLE_COMPILE_CACHE: '1' });
    expect(compile(cache, TWICE).cachedDataRejected).toBeUndefined();
    writeFileSync(path, 'as it was');
    cache.save();
    expect(readFileSync(path, 'utf8')).toBe('as it was');
  });
});
