import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from './project.ts';
import { versionOf } from './hosts.ts';

/** One end of a transfer. */
export interface Place {
  readonly torrent: string;
  readonly dir: string;
  readonly ip: string;
  readonly port: number;
  /** The seeders, as host:port. */
  readonly peers: readonly string[];
}

/** A client as plain processes: one that seeds until it is ended, one that leaves when it has everything. */
export interface BenchClient {
  readonly name: string;
  /** Of the installed program; null if it is missing. */
  version(): string | null;
  seed(place: Place): readonly string[];
  leech(place: Place): readonly string[];
  /** It cannot use peers on 127.0.0.1. */
  readonly needsHosts?: boolean;
}

const bench = (path: string): string => join(PROJECT, 'bench', path);
const OURS = [process.execPath, '--import', bench('support/probe.js'), join(PROJECT, 'bin/torrent-ts.js')];

export const ours: BenchClient = {
  name: 'torrent-ts',
  version: () => 'this one',
  seed: ({ torrent, dir, port }) => [...OURS, 'seed', torrent, '--dir', dir, '--port', `${port}`, ...QUIET],
  leech: ({ torrent, dir }) => [...OURS, 'download', torrent, '--dir', dir, '--port', '0', ...QUIET],
};
/** Nothing on the screen, and nothing to the network that this machine is on. */
const QUIET = ['--quiet', '--progress', 'none', '--no-dht', '--no-lsd'];

/** Its Python binding, as distributions pack it for their own Python. */
const PYTHON = ['python3', '/usr/bin/python3'].find(
  (python) => versionOf(python, '-c', 'import libtorrent') !== null,
);

function libtorrent(name: string, ...flags: string[]): BenchClient {
  const command = (role: string, { torrent, dir, ip, port }: Place): string[] => [
    PYTHON ?? 'python3',
    bench('peers/libtorrent-peer.py'),
    role,
    torrent,
    dir,
    `${ip}:${port}`,
  ];
  return {
    name,
    version: () =>
      PYTHON ? versionOf(PYTHON, '-c', 'import libtorrent; print(libtorrent.__version__)') : null,
    seed: (place) => [...command('seed', place), '--tuned'],
    leech: (place) => [
      ...command('leech', place),
      ...flags,
      ...place.peers.flatMap((peer) => ['--peer', peer]),
    ],
  };
}

const aria2: BenchClient = {
  name: 'aria2',
  version: () => versionOf('aria2c', '--version'),
  seed: ({ torrent, dir, port }) => [
    'aria2c',
    '-q',
    '--seed-ratio=0',
    '-V',
    '--bt-seed-unverified=true',
    ...ARIA2,
    `--listen-port=${port}`,
    '-d',
    dir,
    torrent,
  ],
  leech: ({ torrent, dir, port }) => [
    'aria2c',
    '-q',
    '--seed-time=0',
    '--file-allocation=none',
    ...ARIA2,
    `--listen-port=${port}`,
    '-d',
    dir,
    torrent,
  ],
};
const ARIA2 = ['--enable-dht=false', '--bt-enable-lpd=false'];

/** Where `npm install webtorrent` was run, and the Node that it needs. */
const WEBTORRENT =
  process.env.TORRENT_TS_BENCH_WEBTORRENT ??
  join(homedir(), '.cache/torrent-ts-bench/node_modules/webtorrent');
const WEBTORRENT_NODE = process.env.TORRENT_TS_BENCH_WEBTORRENT_NODE ?? process.execPath;

const webtorrent: BenchClient = {
  name: 'webtorrent',
  version: () =>
    existsSync(WEBTORRENT)
      ? `${versionOf(WEBTORRENT_NODE, '-p', `require(${JSON.stringify(join(WEBTORRENT, 'package.json'))}).version`)} on Node ${versionOf(WEBTORRENT_NODE, '--version')}`
      : null,
  seed: (place) => webtorrentCommand('seed', place),
  leech: (place) => [...webtorrentCommand('leech', place), ...place.peers],
};

function webtorrentCommand(role: string, { torrent, dir, port }: Place): string[] {
  const script = bench('peers/webtorrent-peer.js');
  return [WEBTORRENT_NODE, script, join(WEBTORRENT, 'index.js'), role, torrent, dir, `${port}`];
}

const transmission: BenchClient = {
  name: 'transmission',
  needsHosts: true,
  version: () => (versionOf('transmission-daemon', '--help') === null ? null : 'installed'),
  seed: ({ torrent, dir, port }) => [
    'bash',
    bench('peers/transmission-peer.sh'),
    'seed',
    torrent,
    dir,
    `${port}`,
  ],
  leech: ({ torrent, dir, port }) => [
    'bash',
    bench('peers/transmission-peer.sh'),
    'leech',
    torrent,
    dir,
    `${port}`,
  ],
};

export const others: readonly BenchClient[] = [
  libtorrent('libtorrent'),
  libtorrent('libtorrent-tuned', '--tuned'),
  aria2,
  webtorrent,
  transmission,
];
