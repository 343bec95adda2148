import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/**
 * What V8 compiled of a program the last time, so that it need not do so again: a download with nothing to do takes
 * 0.20 s of CPU instead of 0.25, `create` 0.17 instead of 0.20 (Node 20). Newer versions of Node could do it for us, 20
 * cannot.
 *
 * It lies beside the program: who can write it could write the program as well, it goes when the program goes, and where
 * we cannot write there is none. V8 refuses what another version made, or this one with other flags. It does not
 * look whether code belongs to its source, and crashes on code that is damaged, so we look.
 *
 * There is one for each command, because it also holds functions that were compiled when they were first called, and
 * each command calls others.
 */

interface Compiled {
  /** CRC-32 of the source. */
  readonly source: number;
  readonly code: Uint8Array;
}

const CRC_BYTES = 4;
/** Whatever the umask is: nobody but the owner may change what is run. */
const MODE = 0o644;

export class CodeCache {
  readonly #path: string;
  readonly #isDisabled: boolean;
  readonly #known: Readonly<Record<string, Compiled>>;
  /** Scripts that V8 had to compile, by name. */
  readonly #fresh = new Map<string, { readonly source: number; readonly script: Script }>();

  /** @param folder Where the program lies. */
  constructor(
    folder: string,
    command: string,
    env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    const { version, platform, arch } = process;
    this.#path = join(folder, `${command}-${version}-${platform}-${arch}.cache`);
    // As Node's own cache.
    this.#isDisabled = Boolean(env.NODE_DISABLE_COMPILE_CACHE);
    this.#known = this.#isDisabled ? {} : read(this.#path);
  }

  /** A CommonJS file as a function of its four surroundings. */
  compile(filename: string, source: Buffer): Script {
    const name = basename(filename);
    const crc = crc32(source);
    const known = this.#known[name];
    const script = new Script(`(function (module, exports, require, __filename) { ${source.toString()}\n})`, {
      filename,
      ...(known?.source === crc && { cachedData: known.code }),
    });
    if (script.cachedDataRejected !== false) this.#fresh.set(name, { source: crc, script });
    return script;
  }

  /** Keeps what had to be compiled, with all functions that were called so far. The first time only. */
  save(): void {
    if (this.#isDisabled || this.#fresh.size === 0) return;
    const temporary = `${this.#path}.${process.pid}`;
    const parts = this.#serialized();
    this.#fresh.clear();
    try {
      const file = openSync(temporary, 'wx', MODE);
      try {
        for (const part of parts) writeFileSync(file, part);
      } finally {
        closeSync(file);
      }
      // In one step: nobody reads half of it.
      renameSync(temporary, this.#path);
    } catch {
      // The program may lie where nothing can be written, and it runs all the same.
      remove(temporary);
    }
  }

  #serialized(): Uint8Array[] {
    const all: Record<string, Compiled> = { ...this.#known };
    for (const [name, { source, script }] of this.#fresh)
      all[name] = { source, code: script.createCachedData() };
    const bytes = serialize(all);
    const crc = Buffer.alloc(CRC_BYTES);
    crc.writeUInt32LE(crc32(bytes));
    return [crc, bytes];
  }
}

function read(path: string): Record<string, Compiled> {
  try {
    const file = readFileSync(path);
    const bytes = file.subarray(CRC_BYTES);
    const known: unknown = crc32(bytes) === file.readUInt32LE() ? deserialize(bytes) : null;
    return isRecord(known) ? known : {};
  } catch {
    return {}; // There is none yet, or it is not whole.
  }
}

function isRecord(known: unknown): known is Record<string, Compiled> {
  if (typeof known !== 'object' || known === null) return false;
  return Object.values(known).every((each: Partial<Compiled> | null) => each?.code instanceof Uint8Array);
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Somebody else's, or held by a virus scanner: it lies there, and the program ends as it would have.
  }
}
