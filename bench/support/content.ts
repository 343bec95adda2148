import { createCipheriv } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTorrent } from '../../src/create-torrent.ts';

export interface Content {
  /** Folder that holds the file or folder. */
  readonly dir: string;
  readonly name: string;
  readonly bytes: number;
  readonly torrent: string;
}

const MIB = 1_048_576;

/** A folder for the runs: in memory where there is one, because disks differ more than programs do. */
export function makeWorkFolder(): string {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(base, 'torrent-ts-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  return folder;
}

/** One file of noise that is the same in every run. */
export function makeFile(path: string, bytes: number): void {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(4 * MIB);
  const file = openSync(path, 'w');
  for (let left = bytes; left > 0; left -= zeros.length) {
    writeSync(file, noise.update(zeros.subarray(0, Math.min(left, zeros.length))));
  }
  closeSync(file);
}

/** `count` files of `bytes` each in a folder. */
export function makeFolder(path: string, count: number, bytes: number): void {
  mkdirSync(path);
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 9), Buffer.alloc(16));
  const zeros = Buffer.alloc(bytes);
  for (let i = 0; i < count; i++) writeFileSync(join(path, `file-${i}`), noise.update(zeros));
}

/** Makes the torrent of what lies in `dir` under `name`. */
export async function makeContent(
  dir: string,
  name: string,
  pieceLength: number,
  tracker: string | null,
  webSeeds: readonly string[] = [],
): Promise<Content> {
  const { metaInfo, torrentFile } = await createTorrent(join(dir, name), {
    pieceLength,
    trackers: tracker === null ? [] : [[tracker]],
    webSeeds,
    createdAt: null,
  });
  const torrent = join(dir, `${name}-${pieceLength}${tracker === null ? '-web' : ''}.torrent`);
  writeFileSync(torrent, torrentFile);
  return { dir, name, bytes: metaInfo.length, torrent };
}

/** Is what lies in `dir` the same, byte by byte? */
export function isCopy({ dir, name }: Content, other: string): boolean {
  const path = join(dir, name);
  if (!statSync(path).isDirectory()) return isSameFile(path, join(other, name));
  return readdirSync(path).every((file) => isSameFile(join(path, file), join(other, name, file)));
}

function isSameFile(one: string, two: string): boolean {
  if (!existsSync(two) || statSync(one).size !== statSync(two).size) return false;
  const [a, b] = [Buffer.allocUnsafe(4 * MIB), Buffer.allocUnsafe(4 * MIB)];
  const files = [openSync(one, 'r'), openSync(two, 'r')] as const;
  try {
    for (;;) {
      const count = readSync(files[0], a);
      if (readSync(files[1], b) !== count || !a.subarray(0, count).equals(b.subarray(0, count))) return false;
      if (count === 0) return true;
    }
  } finally {
    files.forEach(closeSync);
  }
}
