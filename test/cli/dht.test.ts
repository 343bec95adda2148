import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import { createProgram } from '../../src/cli/program.ts';
import { CliError, EXIT } from '../../src/cli/exit-codes.ts';
import * as library from '../../src/index.ts';
import { LibraryBench, PIECE_LENGTH, type MadeFile } from '../client/support/library-bench.ts';
import { eventually } from '../support/eventually.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { stage, type StageOptions } from './support/fake-library.ts';

/** The commands in this process, with the real library, in a DHT of four nodes on 127.0.0.1. */
let bench: LibraryBench;
let nodes: Client[];
beforeEach(async () => {
  bench = new LibraryBench();
  nodes = [];
  for (let i = 0; i < 4; i++) {
    const dhtBootstrap = nodes.slice(0, 1).map(nodeOf);
    const client = await bench.client({ dht: true, dhtBootstrap });
    client.dht!.start();
    nodes.push(client);
  }
});
afterEach(() => bench.close());

function nodeOf(client: Client): string {
  return `127.0.0.1:${client.listenPort}`;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line to its end. */
async function run(args: readonly string[], options: StageOptions = {}): Promise<Outcome> {
  const json = args.includes('--json');
  const { context, stdout, stderr } = stage({ ...options, terminal: { json, ...options.terminal } });
  let code: number = EXIT.done;
  const program = createProgram('0', {
    context: () => ({ ...context, library: () => Promise.resolve(library) }),
    done: (exitCode) => (code = exitCode),
    write: () => undefined,
    writeError: () => undefined,
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { code: error.exitCode, stdout: stdout.text, stderr: error.message };
  } finally {
    context.interrupt.dispose();
  }
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function dht(command: string, ...args: string[]): Promise<Outcome> {
  const stateDir = join(bench.dir(), 'state');
  return run(['dht', command, ...args, '--dht-bootstrap', nodeOf(nodes[1]!), '--state-dir', stateDir]);
}

async function seeded(name: string): Promise<{ file: MadeFile; port: number }> {
  const file = bench.file(name);
  const { client } = await bench.seeder(file, { dht: true, dhtBootstrap: [nodeOf(nodes[0]!)] });
  return { file, port: client.listenPort };
}

describe('torrent-ts dht get-peers', () => {
  test('prints the peers of a hash, a magnet link and a .torrent', async () => {
    const { file, port } = await seeded('asked for.bin');
    const { infoHash, bytes } = file.torrent;
    const found = await eventually('the announce', async () => {
      const outcome = await dht('get-peers', infoHash);
      return outcome.code === 0 ? outcome : null;
    });
    expect(found.stdout).toBe(`127.0.0.1:${port}\n`);
    const path = join(bench.dir(), 'asked.torrent');
    writeFileSync(path, bytes);
    for (const source of [`magnet:?xt=urn:btih:${infoHash}`, path]) {
      const { code, stdout } = await dht('get-peers', source, '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ infoHash, peers: [`127.0.0.1:${port}`] });
    }
  });

  test('says that nobody knows any, or that nobody is there, with code 5', async () => {
    const none = await dht('get-peers', 'ab'.repeat(20));
    expect(none).toMatchObject({
      code: EXIT.unreachable,
      stderr: `no node knows a peer of ${'ab'.repeat(20)}`,
    });
    const silent = ['--dht-bootstrap', '127.0.0.1:1', '--state-dir', bench.dir(), '--timeout', '300ms'];
    expect(await run(['dht', 'get-peers', 'ab'.repeat(20), ...silent])).toMatchObject({
      code: EXIT.unreachable,
      stderr: 'no node of the DHT answers',
    });
  });

  test('does not ask for a private torrent (BEP 27)', async () => {
    const file = bench.file('private.bin');
    const recipe = { name: file.name, dir: file.dir, files: null, pieceLength: PIECE_LENGTH, trackers: [] };
    const path = join(bench.dir(), 'private.torrent');
    writeFileSync(path, makeTorrent({ ...recipe, private: true }).bytes);
    const { code, stderr } = await dht('get-peers', path);
    expect(code).toBe(EXIT.badInput);
    expect(stderr).toContain('is private');
  });
});

describe('torrent-ts dht ping', () => {
  test('tells how far a node is', async () => {
    const { code, stdout } = await dht('ping', nodeOf(nodes[0]!));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^127\.0\.0\.1:\d+ answered in \d+\.\d ms\n$/);
    const json = JSON.parse((await dht('ping', nodeOf(nodes[0]!), '--json')).stdout) as { ms: number };
    expect(json).toEqual({ node: nodeOf(nodes[0]!), ms: expect.any(Number) as number });
  });

  test('says with code 5 that a node does not answer', async () => {
    expect(await dht('ping', '127.0.0.1:1', '--timeout', '300ms')).toMatchObject({ code: EXIT.unreachable });
  });
});

describe('torrent-ts dht put and get', () => {
  test('keep a text under its hash', async () => {
    const put = await dht('put', 'hello, world');
    expect(put.code).toBe(0);
    expect(put.stdout).toMatch(/^[0-9a-f]{40}\n$/);
    expect(await dht('get', put.stdout.trim())).toMatchObject({ code: 0, stdout: 'hello, world' });
  });

  test('keep the bytes of a file as they are', async () => {
    const path = join(bench.dir(), 'bytes');
    writeFileSync(path, Uint8Array.of(0, 255, 27, 10));
    const { target, stored } = JSON.parse((await dht('put', '--file', path, '--json')).stdout) as {
      target: string;
      stored: number;
    };
    expect(stored).toBeGreaterThan(0);
    expect((await dht('get', target)).stdout).toBe('\x00\xff\x1b\n');
    expect(JSON.parse((await dht('get', target, '--json')).stdout)).toEqual({
      text: null,
      bencoded: '343a00ff1b0a',
      sequence: null,
    });
  });

  test('replace what is signed, with a key that is made if it is missing', async () => {
    const key = join(bench.dir(), 'my.key');
    const first = await dht('put', 'one', '--key', key, '--salt', 'notes');
    expect(first.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const second = await dht('put', 'two', '--key', key, '--salt', 'notes');
    expect(second.stdout).toBe(first.stdout);
    expect(second.stderr).toContain('as number 1');
    const publicKey = first.stdout.trim();
    expect((await dht('get', publicKey, '--salt', 'notes')).stdout).toBe('two');
    expect(await dht('get', publicKey)).toMatchObject({ code: EXIT.unreachable });
  });

  test.each<[string, string[], number]>([
    ['nothing to store', ['put'], EXIT.usage],
    ['both a text and a file', ['put', 'x', '--file', 'y'], EXIT.usage],
    ['a salt without a key', ['put', 'x', '--salt', 'y'], EXIT.usage],
    ['more than fits', ['put', 'x'.repeat(997)], EXIT.badInput],
    ['a file that is not there', ['put', '--file', '/nowhere/at/all'], EXIT.badInput],
    ['a key that is none', ['put', 'x', '--key', '/dev/null'], EXIT.badInput],
    ['a target that is none', ['get', 'abc'], EXIT.usage],
  ])('%s is refused before anybody is asked', async (_, [command = '', ...args], code) => {
    expect((await dht(command, ...args)).code).toBe(code);
  });
});

test('info --peers tells who is in a swarm and how each was found, of a magnet link and of a torrent', async () => {
  const { file, port } = await seeded('swarm.bin');
  const path = join(bench.dir(), 'swarm.torrent');
  writeFileSync(path, file.torrent.bytes);
  const common = ['--peers', '--json', '--timeout', '1s', '--no-lsd', '--port', '0'];
  const dhtFlags = ['--dht-bootstrap', nodeOf(nodes[1]!), '--state-dir', bench.dir()];
  const magnet = `magnet:?xt=urn:btih:${file.torrent.infoHash}`;
  const lastOf = (text: string): unknown => JSON.parse(text.trim().split('\n').at(-1)!);
  expect(lastOf((await run(['info', magnet, ...common, ...dhtFlags])).stdout)).toMatchObject({
    infoHash: file.torrent.infoHash,
    peers: expect.arrayContaining([
      expect.objectContaining({ peer: `127.0.0.1:${port}`, source: 'dht' }),
    ]) as unknown,
  });
  const named = await run(['info', path, '--peer', `127.0.0.1:${port}`, '--no-dht', ...common]);
  expect(lastOf(named.stdout)).toMatchObject({
    infoHash: file.torrent.infoHash,
    peers: [{ peer: `127.0.0.1:${port}`, source: 'user' }],
  });
});
