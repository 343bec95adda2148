import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child, type ChildExit } from './child.ts';
import { ROOT } from './consumer.ts';
import { temporaryFolder } from './tree.ts';

const BIN = join(ROOT, 'bin/torrent-ts.js');

export interface Finished extends ChildExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder for one test and the command line run in it, with state and home of its own. */
export class Sandbox {
  readonly #folder: ReturnType<typeof temporaryFolder>;
  readonly #children: Child[] = [];

  constructor(options: { readonly inMemory?: boolean } = {}) {
    this.#folder = temporaryFolder('e2e', options.inMemory);
  }

  /** A path below the sandbox. */
  path(...parts: string[]): string {
    return join(this.#folder.path, ...parts);
  }

  /** A path below the sandbox, made as a folder. */
  folder(...parts: string[]): string {
    const path = this.path(...parts);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /**
   * Starts `torrent-ts` and leaves it running until it ends or the sandbox is closed. It says nothing to the network that
   * this machine is on.
   */
  start(...args: string[]): Child {
    const [command = ''] = args;
    const quiet = ['download', 'seed', 'info'].includes(command) ? ['--no-lsd'] : [];
    // A test that names nodes to begin from keeps to those.
    if (quiet.length > 0 && !args.includes('--dht-bootstrap')) quiet.push('--no-dht');
    const child = new Child(process.execPath, [BIN, ...args, ...quiet], {
      cwd: this.#folder.path,
      env: { HOME: this.path('home'), XDG_STATE_HOME: this.path('state'), DEBUG: '' },
    });
    this.#children.push(child);
    return child;
  }

  /** Runs `torrent-ts` to its end. */
  async run(...args: string[]): Promise<Finished> {
    const child = this.start(...args);
    const exit = await child.exited(60_000);
    return { ...exit, stdout: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
  }

  /** Starts a tracker and returns its announce URLs. */
  async tracker(): Promise<{ http: string; udp: string }> {
    const tracker = this.start('tracker', '--host', '127.0.0.1', '--port', '0');
    const [http] = await tracker.line(/^http:.*$/);
    const [udp] = await tracker.line(/^udp:.*$/);
    return { http, udp };
  }

  /** Makes a torrent of a path and returns the .torrent's. */
  async create(path: string, ...flags: string[]): Promise<string> {
    const torrent = `${path}.torrent`;
    const { code, stderr } = await this.run('create', path, '--output', torrent, ...flags);
    if (code !== 0) throw new Error(`create: ${stderr}`);
    return torrent;
  }

  /** Seeds until the sandbox is closed; resolves when all is checked, with the port that it listens on. */
  async seed(torrent: string, dir: string, ...flags: string[]): Promise<{ child: Child; port: number }> {
    const child = this.start('seed', torrent, '--dir', dir, '--port', '0', '--json', ...flags);
    const [, port] = await child.line(/"event":"listening","port":(\d+)/);
    await child.line(/"event":"seeding"/);
    return { child, port: Number(port) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    this.#folder.remove();
  }
}

/** Lines of `--json` as objects. */
export function events(
  lines: readonly string[],
): { readonly event: string; readonly [key: string]: unknown }[] {
  return lines.map((line) => JSON.parse(line) as { event: string });
}
