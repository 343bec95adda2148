import { equalBytes } from '../../util/bytes.ts';
import type { Contributor } from './piece-assembler.ts';

/**
 * Who sent the bytes of a piece that failed its hash.
 *
 * A sole sender is guilty at once. With several, the digest of every block is kept beside its sender; when the piece
 * passes later, each kept digest that differs from the good block's convicts its sender. Peers whose blocks were right
 * are never blamed for the company they were in.
 */

const DIGEST_LENGTH = 20;
/** Pieces with open questions that are kept; enough for a swarm full of liars, and 300 KiB at 1 MiB pieces. */
const SUSPECT_PIECES_MAX = 64;
/** Failed versions of one piece that are kept. */
const VERSIONS_MAX = 8;

interface FailedVersion {
  readonly digests: Uint8Array;
  readonly contributors: readonly (Contributor | null)[];
}

export class Blame {
  readonly #failed = new Map<number, FailedVersion[]>();

  /** True while blocks of earlier failures wait for a good copy: ask for digests when the piece is verified. */
  isSuspect(piece: number): boolean {
    return this.#failed.has(piece);
  }

  /** How often the piece has failed since it was last right. */
  failures(piece: number): number {
    return this.#failed.get(piece)?.length ?? 0;
  }

  /** The piece failed. Returns the sender if there was only one. */
  onFailed(
    piece: number,
    digests: Uint8Array,
    contributors: readonly (Contributor | null)[],
  ): Contributor | null {
    const senders = new Set(contributors);
    const [sole] = senders;
    if (senders.size === 1 && sole) return sole;
    if (this.#failed.size >= SUSPECT_PIECES_MAX && !this.#failed.has(piece)) {
      const [oldest] = this.#failed.keys();
      this.#failed.delete(oldest!);
    }
    const versions = this.#failed.get(piece) ?? [];
    versions.push({ digests, contributors: [...contributors] });
    if (versions.length > VERSIONS_MAX) versions.shift();
    this.#failed.set(piece, versions);
    return null;
  }

  /** The piece passed, with these block digests. Returns the senders of blocks that were wrong before. */
  onPassed(piece: number, digests: Uint8Array | null): readonly Contributor[] {
    const versions = this.#failed.get(piece);
    if (!versions) return [];
    this.#failed.delete(piece);
    const guilty = new Set<Contributor>();
    for (const version of versions) {
      version.contributors.forEach((contributor, block) => {
        if (!contributor || !digests) return;
        const from = block * DIGEST_LENGTH;
        const good = digests.subarray(from, from + DIGEST_LENGTH);
        if (!equalBytes(version.digests.subarray(from, from + DIGEST_LENGTH), good)) guilty.add(contributor);
      });
    }
    return [...guilty];
  }
}
