import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../support/child.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { temporaryFolder, writeTree } from '../support/tree.ts';

/** What only a process of its own can show about the library. */
const program = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url));

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder('library');
});
afterEach(() => folder.remove());

test('heap and descriptors are back where they were after 200 torrents came and went', async () => {
  for (let i = 0; i < 200; i++) {
    const dir = join(folder.path, `data-${i}`);
    mkdirSync(dir);
    const name = `torrent ${i}.bin`;
    writeTree(dir, { [name]: 100_000 + i });
    const made = makeTorrent({ name, dir, files: null, pieceLength: 16_384, trackers: [] });
    writeFileSync(join(dir, 'made.torrent'), made.bytes);
  }
  const report = await run(process.execPath, ['--expose-gc', program('add-remove.mjs'), folder.path, '200']);
  const { heapBefore, heapAfter, descriptorsBefore, descriptorsAfter, complete } = JSON.parse(
    report,
  ) as Record<string, number>;
  expect(complete).toBe(200);
  expect(descriptorsAfter).toBeLessThanOrEqual(descriptorsBefore!);
  // A torrent that leaked would keep at least its hashes, picker and files: 20 KB and more, 4 MB in sum.
  expect(heapAfter! - heapBefore!).toBeLessThan(1_500_000);
});

test('a closed client leaves nothing that keeps the process alive', async () => {
  const dir = join(folder.path, 'data-0');
  mkdirSync(dir);
  writeTree(dir, { 'a.bin': 100_000 });
  const made = makeTorrent({ name: 'a.bin', dir, files: null, pieceLength: 16_384, trackers: [] });
  writeFileSync(join(dir, 'made.torrent'), made.bytes);
  const report = await run(process.execPath, [program('open-close.mjs'), folder.path], { timeoutMs: 15_000 });
  expect(report).toBe('closed');
});
