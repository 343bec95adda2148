import { createCipheriv, createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** Paths below a folder, `/` between parts, and how many bytes each file has. */
export type TreeSpec = Readonly<Record<string, number>>;

/** Room for the largest of the tests that ask for memory. */
const MEMORY_NEEDED = 1_073_741_824;
const MEMORY = '/dev/shm';

/**
 * A fresh folder and the function that removes it. With `inMemory` it lies in memory where there is room, for tests
 * that would spend most of their time waiting until a disk has synced thousands of files.
 */
export function temporaryFolder(label: string, inMemory = false): { path: string; remove: () => void } {
  const path = mkdtempSync(join(inMemory && hasRoom(MEMORY) ? MEMORY : tmpdir(), `torrent-ts-${label}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

function hasRoom(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= MEMORY_NEEDED;
}

/** Bytes that no compression or accident makes equal to others, the same for the same label. */
export function noise(label: string, length: number): Buffer {
  const key = createHash('sha256').update(label).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Writes every file of `spec` below `root`, each with content of its own. */
export function writeTree(root: string, spec: TreeSpec): void {
  for (const [path, length] of Object.entries(spec)) {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, noise(path, length));
  }
}

/** Every file below `root` with the SHA-256 of its content, sorted by path: equal trees give equal objects. */
export function treeDigest(
  root: string,
  counts: (path: string) => boolean = () => true,
): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    if (!counts(relative(root, full))) continue;
    digests[relative(root, full)] = fileDigest(full);
  }
  return Object.fromEntries(Object.entries(digests).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** SHA-256 of a file's content. To compare files by it is much faster than to let an assertion compare their bytes. */
export function fileDigest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Names in many scripts, with spaces, signs that URLs escape, an empty file, depth and sizes that fit no block. */
export const MANY_SCRIPTS: TreeSpec = {
  'README.txt': 1_234,
  'empty.txt': 0,
  'one byte': 1,
  'deep/er/and/deeper/still/leaf.bin': 70_001,
  'deep/er/empty at the bottom': 0,
  'Ελληνικά/αρχείο.bin': 300_007,
  'русский/файл.txt': 65_536,
  'עברית.txt': 16_384,
  'العربية/ملف.bin': 16_385,
  'हिन्दी/फ़ाइल.txt': 40_000,
  'ไทย.txt': 999,
  '中文/文件.bin': 1_500_000,
  '日本語 テスト/ファイル 1.txt': 262_144,
  '한국어.bin': 123_457,
  'emoji 🎵🏔️.dat': 77_777,
  'ünïcödé & 100% (a+b) #1; [x].txt': 5_000,
};
