import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { safeText } from '../escape.ts';
import { CliError, errorCode, EXIT, reasonOf } from '../exit-codes.ts';
import { plural } from '../format.ts';
import type { LibraryClient } from '../library.ts';
import { infoHashOf, loadSource } from '../load-source.ts';
import type { HostPort } from '../parse-values.ts';
import { closeClient, peerText } from '../transfer.ts';

export interface DhtFlags {
  readonly dhtBootstrap?: readonly HostPort[];
  /** Milliseconds. */
  readonly timeout?: number;
  readonly stateDir?: string;
}

export interface DhtGetFlags extends DhtFlags {
  readonly salt?: string;
}

export interface DhtPutFlags extends DhtGetFlags {
  readonly file?: string;
  readonly key?: string;
}

type Dht = NonNullable<LibraryClient['dht']>;

const TIMEOUT_MS = 30_000;
/** BEP 44 stores 1,000 bytes of bencode: `996:` and so many. */
const VALUE_MAX = 996;
const SALT_MAX = 64;
const SEED_BYTES = 32;

/** `torrent-ts dht get-peers`: resolves to the exit code. */
export async function getPeers(context: Context, source: string, flags: DhtFlags): Promise<number> {
  const { terminal } = context;
  const infoHash = await infoHashFrom(context, source);
  const peers: string[] = [];
  await ask(context, flags, async (dht, signal) => {
    for await (const peer of dht.getPeers(infoHash, { signal })) {
      peers.push(peerText(peer));
      if (!terminal.json) terminal.result(peers.at(-1)!);
    }
    if (peers.length === 0) throw nothing(dht, `no node knows a peer of ${infoHash}`);
  });
  if (terminal.json) terminal.resultJson({ infoHash, peers });
  else terminal.note(plural(peers.length, 'peer'));
  return EXIT.done;
}

/** `torrent-ts dht ping`: resolves to the exit code. */
export async function ping(context: Context, node: HostPort, flags: DhtFlags): Promise<number> {
  const ms = await ask(context, flags, (dht, signal) => dht.ping(node, { signal }));
  const { terminal } = context;
  if (terminal.json) terminal.resultJson({ node: peerText(node), ms });
  else terminal.result(`${safeText(peerText(node))} answered in ${ms.toFixed(1)} ms`);
  return EXIT.done;
}

/** `torrent-ts dht put`: resolves to the exit code. */
export async function put(context: Context, text: string | undefined, flags: DhtPutFlags): Promise<number> {
  const { terminal } = context;
  const value = await valueOf(context, text, flags.file);
  if (value.length > VALUE_MAX) {
    throw new CliError(`the DHT stores at most ${VALUE_MAX} bytes, these are ${value.length}`, EXIT.badInput);
  }
  if (flags.salt !== undefined && flags.key === undefined) {
    throw new CliError('--salt is for values that are signed; give --key too', EXIT.usage);
  }
  const salt = saltOf(flags);
  const seed = flags.key === undefined ? null : await seedOf(context, flags.key);
  const { target, stored, publicKey, sequence } = await ask(context, flags, async (dht, signal) => {
    const result = await (seed
      ? dht.putMutable({ seed, value, salt }, { signal })
      : dht.putImmutable(value, { signal }));
    if (result.stored === 0) throw nothing(dht, 'no node took it');
    return result;
  });
  const found = hex(publicKey ?? target);
  if (terminal.json) {
    terminal.resultJson({
      target: hex(target),
      publicKey: publicKey && hex(publicKey),
      salt: flags.salt ?? null,
      sequence: sequence === null ? null : String(sequence),
      stored,
    });
    return EXIT.done;
  }
  terminal.result(found);
  terminal.note(`stored by ${plural(stored, 'node')}${sequence === null ? '' : `, as number ${sequence}`}`);
  return EXIT.done;
}

/** `torrent-ts dht get`: resolves to the exit code. */
export async function get(context: Context, target: string, flags: DhtGetFlags): Promise<number> {
  const { terminal } = context;
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(target)) {
    throw new CliError(
      `expected a target of 40 hexadecimal digits or a public key of 64, got ${safeText(target)}`,
      EXIT.usage,
    );
  }
  const isKey = target.length === 64;
  const salt = saltOf(flags);
  const item = await ask(context, flags, async (dht, signal) => {
    const found = isKey
      ? await dht.getMutable(target, { salt, signal })
      : await dht.getImmutable(target, { signal });
    if (found === null) throw nothing(dht, `no node has anything under ${target}`);
    return found;
  });
  const content = item.bytes ?? item.bencoded;
  if (terminal.json) {
    terminal.resultJson({
      text: item.bytes && textOf(item.bytes),
      bencoded: hex(item.bencoded),
      sequence: 'sequence' in item ? String(item.sequence) : null,
    });
  } else if (terminal.stdoutIsTerminal) {
    terminal.result(safeText(new TextDecoder().decode(content)));
  } else {
    await terminal.resultBytes(content);
  }
  return EXIT.done;
}

/**
 * Opens a node that asks and answers nobody (BEP 43), because it is gone in a moment.
 * @throws CliError `EXIT.unreachable` when time is up.
 */
async function ask<T>(
  { interrupt, library }: Context,
  flags: DhtFlags,
  question: (dht: Dht, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeoutMs = flags.timeout ?? TIMEOUT_MS;
  const { Client } = await library();
  const client = await Client.open({
    port: false,
    lsd: false,
    dhtReadOnly: true,
    ...(flags.dhtBootstrap && { dhtBootstrap: flags.dhtBootstrap.map(peerText) }),
    ...(flags.stateDir !== undefined && { stateDir: resolve(flags.stateDir) }),
  });
  const timeout = AbortSignal.timeout(timeoutMs);
  const dht = client.dht!;
  try {
    return await question(dht, AbortSignal.any([interrupt.signal, timeout]));
  } catch (error) {
    interrupt.signal.throwIfAborted();
    if (!timeout.aborted) throw error;
    throw nothing(dht, `nothing was found in ${timeoutMs / 1000} seconds`);
  } finally {
    await closeClient(client);
  }
}

/** Why there is no result: nobody has it, or nobody is there. */
function nothing(dht: Dht, message: string): CliError {
  const isAlone = dht.stats().every(({ goodNodes }) => goodNodes === 0);
  return new CliError(isAlone ? 'no node of the DHT answers' : message, EXIT.unreachable);
}

async function infoHashFrom(context: Context, source: string): Promise<string> {
  if (/^[0-9a-f]{40}$/i.test(source)) return source.toLowerCase();
  const loaded = await loadSource(context, source);
  if ('metaInfo' in loaded && loaded.metaInfo.private) {
    const name = safeText(loaded.metaInfo.name);
    throw new CliError(`${name} is private: its peers come from its trackers alone`, EXIT.badInput);
  }
  return infoHashOf(loaded);
}

async function valueOf(
  context: Context,
  text: string | undefined,
  file: string | undefined,
): Promise<Uint8Array> {
  if ((text === undefined) === (file === undefined)) {
    throw new CliError('give a text or --file', EXIT.usage);
  }
  if (text !== undefined) return new TextEncoder().encode(text);
  if (file === '-') return readStdin(context);
  try {
    return await readFile(file!);
  } catch (error) {
    throw new CliError(`cannot read ${safeText(file!)}: ${reasonOf(error)}`, EXIT.badInput, { cause: error });
  }
}

async function readStdin({ stdin }: Context): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stdin) {
    parts.push(part);
    length += part.length;
    if (length > VALUE_MAX) break; // Too much anyway.
  }
  return Buffer.concat(parts);
}

/** The private key of a file: 64 hexadecimal digits. A file that is missing is made, readable for its owner only. */
async function seedOf({ terminal }: Context, path: string): Promise<Uint8Array> {
  try {
    const text = (await readFile(path, 'latin1')).trim();
    if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
    throw new CliError(`${safeText(path)} is no key: a key is 64 hexadecimal digits`, EXIT.badInput);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT')
      throw asCliError(error, `cannot read ${safeText(path)}`, EXIT.badInput);
  }
  const seed = randomBytes(SEED_BYTES);
  try {
    await writeFile(path, `${hex(seed)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw asCliError(error, `cannot write ${safeText(path)}`, EXIT.disk);
  }
  terminal.note(`made a key: ${safeText(path)}; who has it can replace what is stored`);
  return seed;
}

function asCliError(error: unknown, what: string, exitCode: number): CliError {
  if (error instanceof CliError) return error;
  return new CliError(`${what}: ${reasonOf(error)}`, exitCode, { cause: error });
}

function saltOf({ salt = '' }: DhtGetFlags): Uint8Array {
  const bytes = new TextEncoder().encode(salt);
  if (bytes.length <= SALT_MAX) return bytes;
  throw new CliError(`--salt takes at most ${SALT_MAX} bytes`, EXIT.usage);
}

/** Null for what is no UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null; // It says so by failing.
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
