import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { RecordingTracker } from '../support/recording-tracker.ts';
import { events, Sandbox } from '../support/sandbox.ts';
import { fileDigest, writeTree } from '../support/tree.ts';

/** How the command line ends before it is done: by Ctrl-C, by a kill, with a tracker that does not answer. */
const LENGTH = 8_000_000;
/** Slow enough to be interrupted midway, where progress is told once a second, fast enough to wait for. */
const SEEDER_LIMIT = '1500K';
/** What a kill may cost: open pieces, requests under way and what the network holds. */
const IN_FLIGHT = 1_000_000;
/** What a person waits for the prompt at most. */
const PROMPT_MS = 3_000;

let sandbox: Sandbox;
let tracker: RecordingTracker;
let torrent: string;
let seeder: Child;
let source: string;

beforeEach(async () => {
  sandbox = new Sandbox();
  tracker = await RecordingTracker.start();
  source = sandbox.folder('source');
  writeTree(source, { 'content.bin': LENGTH });
  torrent = await sandbox.create(
    join(source, 'content.bin'),
    '--tracker',
    tracker.url,
    '--piece-size',
    '64K',
  );
  const started = await sandbox.seed(torrent, source, '--up-limit', SEEDER_LIMIT);
  seeder = started.child;
  tracker.peers = [['127.0.0.1', started.port]];
  // The seeder's own announce must not be taken for the downloader's.
  await tracker.heard('started');
  tracker.announces.length = 0;
});

afterEach(async () => {
  await sandbox.close();
  await tracker.close();
});

describe('Ctrl-C during a download', () => {
  test('ends it in time, tells the tracker, says how to go on, and the same command does', async () => {
    const got = sandbox.folder('got');
    const command = ['download', torrent, '--dir', got, '--port', '0'];
    const child = sandbox.start(...command);
    expect((await tracker.heard('started')).left).toBe(LENGTH);
    await seederSent(0.3);

    child.signal('SIGINT');
    expect(await child.exited(PROMPT_MS)).toEqual({ code: 130, signal: null });
    const stopped = await tracker.heard('stopped');
    expect(stopped.left).toBeLessThan(LENGTH);
    expect(child.stderr.join('\n')).toContain('the same command goes on');
    expect(child.stdout).toEqual([]);

    const again = await sandbox.run(...command, '--json');
    expect(again.code).toBe(0);
    expect(downloadedBy(again.stdout)).toBeLessThanOrEqual(stopped.left + 64 * 1024);
    expect(fileDigest(join(got, 'content.bin'))).toBe(fileDigest(join(source, 'content.bin')));
  });

  test('waits no longer for a tracker that does not answer', async () => {
    tracker.silentOn = ['stopped'];
    const child = sandbox.start('download', torrent, '--dir', sandbox.folder('got'), '--port', '0');
    await seederSent(0.1);
    child.signal('SIGINT');
    expect(await child.exited(PROMPT_MS + 500)).toEqual({ code: 130, signal: null });
  });

  test('pressed twice ends it at once', async () => {
    tracker.silentOn = ['stopped'];
    const child = sandbox.start('download', torrent, '--dir', sandbox.folder('got'), '--port', '0');
    await seederSent(0.1);
    child.signal('SIGINT');
    await tracker.heard('stopped');
    child.signal('SIGINT');
    expect(await child.exited(1_000)).toEqual({ code: 130, signal: null });
  });

  test('SIGTERM is the same with its own exit code', async () => {
    const child = sandbox.start('download', torrent, '--dir', sandbox.folder('got'), '--port', '0');
    await tracker.heard('started');
    child.signal('SIGTERM');
    expect(await child.exited(PROMPT_MS)).toEqual({ code: 143, signal: null });
    await tracker.heard('stopped');
  });
});

test('Ctrl-C while only seeding is a clean end', async () => {
  seeder.signal('SIGINT');
  expect(await seeder.exited(PROMPT_MS)).toEqual({ code: 0, signal: null });
  expect((await tracker.heard('stopped')).left).toBe(0);
});

test('a complete download tells the tracker started, completed and stopped, in this order', async () => {
  const { code } = await sandbox.run('download', torrent, '--dir', sandbox.folder('got'), '--port', '0');
  expect(code).toBe(0);
  const told = tracker.announces.map(({ event }) => event).filter((event) => event !== '');
  expect(told).toEqual(['started', 'completed', 'stopped']);
});

test('after a kill at any moment the same command goes on, and fetches again at most what was in flight', async () => {
  const got = sandbox.folder('got');
  const command = ['download', torrent, '--dir', got, '--port', '0', '--json'];
  const kills = [0.25, 0.5, 0.75];
  for (const share of kills) {
    const child = sandbox.start(...command);
    await seederSent(share);
    child.signal('SIGKILL');
    expect(await child.exited()).toEqual({ code: null, signal: 'SIGKILL' });
  }
  const last = await sandbox.run(...command);
  expect(last.code).toBe(0);
  expect(fileDigest(join(got, 'content.bin'))).toBe(fileDigest(join(source, 'content.bin')));
  seeder.signal('SIGTERM');
  const { uploaded } = await tracker.heard(
    'stopped',
    (announce) => announce.left === 0 && announce.uploaded > 0,
  );
  expect(uploaded).toBeLessThan(LENGTH + kills.length * IN_FLIGHT);
});

/** Waits until the seeder has sent a share of the content, over all downloads. */
function seederSent(share: number): Promise<true> {
  const find = (line: string): true | null => {
    const event = JSON.parse(line) as { event: string; uploaded?: number };
    return event.event === 'progress' && (event.uploaded ?? 0) >= share * LENGTH ? true : null;
  };
  return seeder.firstLine(find, `${100 * share} % sent`);
}

function downloadedBy(stdout: string): number {
  const complete = events(stdout.split('\n')).find(({ event }) => event === 'complete');
  return complete?.downloaded as number;
}
