import { execFileSync, spawnSync } from 'node:child_process';

/** Where the two ends of a transfer run. */
export interface Hosts {
  readonly kind: string;
  readonly seed: Host;
  readonly leech: Host;
}

export interface Host {
  readonly ip: string;
  /** What runs a command there. */
  readonly prefix: readonly string[];
}

export function loopback(): Hosts {
  const host = { ip: '127.0.0.1', prefix: [] };
  return { kind: 'loopback', seed: host, leech: host };
}

/** Two hosts of our own, joined by a cable: network namespaces, for which one must be root. Null where that fails. */
export function ownHosts(): Hosts | null {
  if (process.getuid?.() !== 0) return null;
  const names = [`ttb${process.pid}s`, `ttb${process.pid}l`] as const;
  const ip = (...args: string[]): boolean => spawnSync('ip', args, { stdio: 'ignore' }).status === 0;
  process.on('exit', () => names.forEach((name) => ip('netns', 'del', name)));
  const steps = [
    ...names.map((name) => ['netns', 'add', name]),
    ['link', 'add', names[0], 'type', 'veth', 'peer', 'name', names[1]],
    ...names.flatMap((name, i) => [
      ['link', 'set', name, 'netns', name],
      ['-n', name, 'link', 'set', 'lo', 'up'],
      ['-n', name, 'addr', 'add', `10.79.0.${i + 1}/24`, 'dev', name],
      ['-n', name, 'link', 'set', name, 'up'],
    ]),
  ];
  if (!steps.every((step) => ip(...step))) return null;
  const host = (i: 0 | 1): Host => ({ ip: `10.79.0.${i + 1}`, prefix: ['ip', 'netns', 'exec', names[i]] });
  return { kind: 'network namespaces', seed: host(0), leech: host(1) };
}

/** Does a command exist, and what does it say of itself? */
export function versionOf(command: string, ...args: string[]): string | null {
  try {
    const text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return text.trim().split('\n')[0] ?? '';
  } catch {
    return null; // Not there.
  }
}
