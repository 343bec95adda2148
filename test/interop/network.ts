import { spawnSync } from 'node:child_process';
import { Child, run, type ChildOptions } from '../support/child.ts';

/**
 * Hosts of our own, each a network namespace with one address on a common bridge, because real clients refuse peers on
 * 127.0.0.0/8 and take several connections from one address for an attack. Nothing on them can reach another network.
 */
export class Network {
  readonly #prefix: string;
  readonly #hosts: Host[] = [];
  readonly #onExit = (): void => this.close();
  #closed = false;

  /** Fails with one clear line where namespaces cannot be made. */
  constructor() {
    networks += 1;
    this.#prefix = `torrent-ts-${process.pid}-${networks}`;
    const hub = spawnSync('ip', ['netns', 'add', this.#hub], { encoding: 'utf8' });
    if (hub.status !== 0) {
      throw new Error(
        'interop tests make network namespaces: run them as root with iproute2 installed ' +
          `(apt-get install -y iproute2); ip said: ${hub.error?.message ?? hub.stderr.trim()}`,
      );
    }
    process.on('exit', this.#onExit);
    ip('-n', this.#hub, 'link', 'add', 'bridge', 'type', 'bridge');
    ip('-n', this.#hub, 'link', 'set', 'bridge', 'up');
  }

  get #hub(): string {
    return `${this.#prefix}-hub`;
  }

  /** Another host: the first is 10.79.0.1 and fd79::1, the second 10.79.0.2 and fd79::2, and so on. */
  host(): Host {
    const number = this.#hosts.length + 1;
    const name = `${this.#prefix}-${number}`;
    const port = `port${number}`;
    ip('netns', 'add', name);
    const host = new Host(name, `10.79.0.${number}`, `fd79::${number.toString(16)}`);
    this.#hosts.push(host);
    ip('link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', port, 'netns', this.#hub);
    ip('-n', this.#hub, 'link', 'set', port, 'master', 'bridge', 'up');
    ip('-n', name, 'addr', 'add', `${host.address}/16`, 'dev', 'eth0');
    ip('-n', name, 'addr', 'add', `${host.address6}/64`, 'dev', 'eth0', 'nodad');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    return host;
  }

  /** Removes every host; programs on them should have been stopped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#onExit);
    for (const host of this.#hosts) spawnSync('ip', ['netns', 'del', host.name]);
    spawnSync('ip', ['netns', 'del', this.#hub]);
  }
}

let networks = 0;

export class Host {
  readonly name: string;
  readonly address: string;
  readonly address6: string;

  constructor(name: string, address: string, address6: string) {
    this.name = name;
    this.address = address;
    this.address6 = address6;
  }

  /** Starts a program on this host. */
  start(command: string, args: readonly string[], options: ChildOptions = {}): Child {
    return new Child('ip', ['netns', 'exec', this.name, command, ...args], {
      ...options,
      env: { LC_ALL: 'C.UTF-8', ...options.env },
    });
  }

  /** Runs a program on this host to its end and returns its stdout. */
  run(command: string, args: readonly string[], timeoutMs = 20_000): Promise<string> {
    return run('ip', ['netns', 'exec', this.name, command, ...args], {
      env: { LC_ALL: 'C.UTF-8' },
      timeoutMs,
    });
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
}
