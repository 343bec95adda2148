import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes .torrent files without any code of the project, so that a mistake of ours cannot agree with itself. Content
 * is read whole into memory: for tests only.
 */
export type TorrentRecipe = {
  readonly name: string;
  readonly pieceLength: number;
  /** Tiers of announce URLs. */
  readonly trackers: readonly (readonly string[])[];
  readonly private?: boolean;
} & (RealContent | ClaimedContent);

interface RealContent {
  /** The folder that holds the torrent's top-level file or folder. */
  readonly dir: string;
  /** Paths below the torrent's folder in their order; null makes a single-file torrent. */
  readonly files: readonly string[] | null;
}

/** A single file that nobody has. */
interface ClaimedContent {
  readonly claims: { readonly length: number; readonly pieces: Uint8Array };
}

export interface MadeTorrent {
  readonly bytes: Buffer;
  /** 40 lower-case hexadecimal digits. */
  readonly infoHash: string;
  readonly length: number;
}

export function makeTorrent(recipe: TorrentRecipe): MadeTorrent {
  const { length, pieces, files } =
    'claims' in recipe ? { ...recipe.claims, files: null } : hashContent(recipe);
  const info: BencodeValue = {
    name: recipe.name,
    'piece length': recipe.pieceLength,
    pieces,
    ...(recipe.private ? { private: 1 } : {}),
    ...(files ? { files } : { length }),
  };
  const first = recipe.trackers[0]?.[0];
  return {
    bytes: bencode({
      ...(first === undefined ? {} : { announce: first, 'announce-list': recipe.trackers }),
      info,
    }),
    infoHash: createHash('sha1').update(bencode(info)).digest('hex'),
    length,
  };
}

function hashContent(recipe: RealContent & { name: string; pieceLength: number }): {
  length: number;
  pieces: Buffer;
  files: { length: number; path: string[] }[] | null;
} {
  const root = join(recipe.dir, recipe.name);
  const contents = recipe.files?.map((path) => readFileSync(join(root, path))) ?? [readFileSync(root)];
  const content = Buffer.concat(contents);
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += recipe.pieceLength) {
    const piece = content.subarray(at, at + recipe.pieceLength);
    hashes.push(createHash('sha1').update(piece).digest());
  }
  const files = recipe.files?.map((path, i) => ({ length: contents[i]!.length, path: path.split('/') }));
  return { length: content.length, pieces: Buffer.concat(hashes), files: files ?? null };
}

export type BencodeValue =
  string | number | Uint8Array | readonly BencodeValue[] | { readonly [key: string]: BencodeValue };

/** BEP 3 bencoding, keys in the order of their raw bytes. */
export function bencode(value: BencodeValue): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  if (isList(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')]);
  const entries = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat([
    Buffer.from('d'),
    ...entries.flatMap(([k, v]) => [bencode(k), bencode(v)]),
    Buffer.from('e'),
  ]);
}

function isList(value: BencodeValue): value is readonly BencodeValue[] {
  return Array.isArray(value);
}
