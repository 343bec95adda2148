import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { displayWidth } from '../../src/cli/display-width.ts';
import {
  describeProgress,
  describeState,
  renderCompact,
  renderTorrent,
} from '../../src/cli/progress-lines.ts';
import { layoutTorrents, ProgressView } from '../../src/cli/progress.ts';
import type { Line } from '../../src/cli/style.ts';
import { FakeSource, tracker } from './support/fake-torrent.ts';
import { fakeTerminal, ScreenModel } from './support/fake-terminal.ts';

const text = (line: Line): string => line.map((part) => part.text).join('');

describe('the lines of a torrent', () => {
  test('are name and state, the piece map, and the numbers', () => {
    const source = new FakeSource();
    source.states = Uint8Array.from([2, 2, 1, 0]);
    const [title, map, numbers, ...rest] = renderTorrent(source, { columns: 101, unicode: true }).map(text);
    expect(title).toBe('debian-13.1.0-amd64-netinst.iso'.padEnd(75) + 'downloading from 12 peers');
    expect(map).toBe('█'.repeat(50) + '▁'.repeat(25) + '·'.repeat(25));
    expect(numbers).toBe(
      '42.3%  312.4 MiB of 738.0 MiB  ↓  45.2 MiB/s  ↑   1.2 MiB/s  12 peers (4 seeds)  9s left',
    );
    expect(rest).toEqual([]);
  });

  test('fit terminals of any width, and tell the most important first', () => {
    const source = new FakeSource('日本語のファイル名 👍 with a long name');
    for (let columns = 1; columns <= 130; columns++) {
      for (const line of renderTorrent(source, { columns, unicode: true })) {
        expect(displayWidth(text(line))).toBeLessThanOrEqual(Math.max(1, columns - 1));
      }
      expect(displayWidth(text(renderCompact(source, { columns, unicode: true })))).toBeLessThanOrEqual(
        Math.max(1, columns - 1),
      );
    }
    expect(renderTorrent(source, { columns: 20, unicode: true }).map(text).at(-1)).toBe('42.3%');
    expect(renderTorrent(source, { columns: 40, unicode: true }).map(text).at(-1)).toBe(
      '42.3%  ↓  45.2 MiB/s  9s left',
    );
  });

  test('never carry what a hostile name tells the terminal', () => {
    const source = new FakeSource('\x1b[2Jevil\u202egnp\r\n.exe');
    for (const line of renderTorrent(source, { columns: 80, unicode: true })) {
      expect(text(line)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    expect(describeProgress(source)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('do without arrows and blocks where there are none', () => {
    const lines = renderTorrent(new FakeSource(), { columns: 100, unicode: false }).map(text);
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('the state in words', () => {
  test.each([
    [{ state: 'checking' as const }, 'checking files'],
    [{}, 'downloading from 12 peers'],
    [{ peers: 1 }, 'downloading from 1 peer'],
    [{ downRate: 0 }, 'waiting for 12 peers'],
    [{ peers: 0 }, 'connecting to peers'],
    [{ peers: 0, knownPeers: 0 }, 'no peers yet'],
    [{ state: 'seeding' as const }, 'seeding to 12 peers'],
    [{ state: 'seeding' as const, peers: 0 }, 'seeding, nobody is asking'],
    [{ state: 'stalled' as const }, 'waiting for the disk'],
    [{ state: 'paused' as const }, 'paused'],
    [{ state: 'failed' as const }, 'failed'],
    [{ state: 'closed' as const }, 'stopped'],
  ])('%j is "%s"', (stats, words) => {
    expect(describeState(new FakeSource('x', stats))).toBe(words);
  });

  test.each([
    [[], 'looking for peers'],
    [['announcing' as const], 'looking for peers'],
    [['failed' as const, 'announcing' as const], 'looking for peers'],
    [['failed' as const, 'failed' as const], 'no tracker answers, trying again'],
    [['failed' as const, 'working' as const], 'no peers yet'],
  ])('without peers, trackers %j mean "%s"', (states, words) => {
    const source = new FakeSource('x', { peers: 0, knownPeers: 0 });
    source.trackers = states.map(tracker);
    expect(describeState(source)).toBe(words);
  });
});

test('connected peers are told by where they were found, the most first, where there is room', () => {
  const source = new FakeSource('x', { peersBySource: { pex: 2, dht: 5 } });
  expect(describeProgress(source)).toContain('(dht 5, pex 2)');
  const numbers = (columns: number): string =>
    text(renderTorrent(source, { columns, unicode: true }).at(-1)!);
  expect(numbers(120)).toContain('dht 5, pex 2');
  expect(numbers(60)).not.toContain('dht');
});

describe('many torrents', () => {
  const many = (count: number): FakeSource[] =>
    Array.from({ length: count }, (_, i) => new FakeSource(`t${i}`));
  const shape = (count: number, rows: number): string[] =>
    layoutTorrents(many(count), { stderrColumns: 80, stderrRows: rows, unicode: true }).map(text);

  test('have three lines each while there is room', () => {
    expect(shape(2, 7)).toHaveLength(6);
  });

  test('have one line each where there is not', () => {
    const lines = shape(3, 7);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/^t2 .* 42\.3%/);
  });

  test('are counted where not even that fits', () => {
    const lines = shape(50, 7);
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toBe('and 45 more');
  });
});

describe('the view', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function view(source: FakeSource, options: Parameters<typeof fakeTerminal>[0]) {
    const made = fakeTerminal(options);
    const view = new ProgressView(
      made.terminal,
      () => [source],
      () => performance.now(),
    );
    return { ...made, view };
  }

  test('rewrites its own lines on a terminal and leaves what others printed', () => {
    const source = new FakeSource();
    const { view: shown, stderr, terminal } = view(source, { tty: true, columns: 80 });
    const screen = new ScreenModel(80);
    stderr.text = '$ torrent-ts download\n';
    shown.start();
    vi.advanceTimersByTime(1000);
    terminal.note('a note');
    source.stats = { ...source.stats, progress: 0.9 };
    vi.advanceTimersByTime(2000);
    screen.feed(stderr.text);
    expect(screen.cursorVisible).toBe(false);
    expect(screen.rows.slice(0, 2)).toEqual(['$ torrent-ts download', 'a note']);
    expect(screen.rows).toHaveLength(5);
    expect(screen.rows[4]).toMatch(/^90\.0%/);

    shown.stop();
    terminal.restore();
    const after = new ScreenModel(80);
    after.feed(stderr.text);
    expect(after.rows).toEqual(['$ torrent-ts download', 'a note']);
    expect(after.cursorVisible).toBe(true);
  });

  test('draws at most ten times a second, and not at all while nothing changes', () => {
    const source = new FakeSource();
    const { view: shown, stderr } = view(source, { tty: true });
    shown.start();
    for (let i = 0; i < 100; i++) {
      source.stats = { ...source.stats, doneBytes: i * 1_000_000 };
      vi.advanceTimersByTime(10);
    }
    expect(stderr.writes).toBeLessThanOrEqual(10);
    vi.advanceTimersByTime(2000);
    const before = stderr.writes;
    vi.advanceTimersByTime(60_000);
    expect(stderr.writes).toBe(before);
    shown.stop();
  });

  test('never touches lines above its own when the terminal is made narrower', () => {
    const source = new FakeSource();
    const { view: shown, stderr } = view(source, { tty: true, columns: 80 });
    shown.start();
    stderr.text = '';
    stderr.resize(30);
    vi.advanceTimersByTime(1000);
    // eslint-disable-next-line no-control-regex -- the sequence for "cursor up"
    const ups = [...stderr.text.matchAll(/\x1b\[(\d+)A/g)].map((match) => Number(match[1]));
    expect(Math.max(...ups)).toBeLessThanOrEqual(3);
    shown.stop();
  });

  test('writes a plain line at each tenth of the way and at least every ten seconds into a log', () => {
    const source = new FakeSource('x', { progress: 0.01 });
    const { view: shown, stderr } = view(source, { tty: false });
    shown.start();
    vi.advanceTimersByTime(3000);
    expect(stderr.lines).toEqual([]);
    source.stats = { ...source.stats, progress: 0.11 };
    vi.advanceTimersByTime(1500);
    expect(stderr.lines).toHaveLength(1);
    expect(stderr.lines[0]).toBe(
      'x: 11.0%, 312.4 MiB of 738.0 MiB, 45.2 MiB/s down, 1.2 MiB/s up, downloading from 12 peers, 9s left',
    );
    source.stats = { ...source.stats, progress: 0.12 };
    vi.advanceTimersByTime(8000);
    expect(stderr.lines).toHaveLength(1);
    vi.advanceTimersByTime(3000);
    expect(stderr.lines).toHaveLength(2);
    expect(stderr.text).not.toContain('\x1b');
    shown.stop();
  });

  test('says nothing in a log about a seeder that nobody asks', () => {
    const source = new FakeSource('x', { state: 'seeding', progress: 1, peers: 0, upRate: 0 });
    const { view: shown, stderr } = view(source, { tty: false });
    shown.start();
    vi.advanceTimersByTime(600_000);
    expect(stderr.lines.length).toBeLessThanOrEqual(1);
    shown.stop();
  });

  test.each([{ quiet: true }, { progress: 'none' as const }, { json: true }])(
    'is silent with %j',
    (options) => {
      const { view: shown, stderr } = view(new FakeSource(), { tty: true, ...options });
      shown.start();
      vi.advanceTimersByTime(60_000);
      expect(stderr.text).toBe('');
    },
  );
});
