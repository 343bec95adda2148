import type { Interrupt } from './interrupt.ts';
import type { Encryption, Library } from './library.ts';
import type { HostPort } from './parse-values.ts';
import type { Terminal } from './terminal.ts';

/** What every command gets. */
export interface Context {
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  readonly library: () => Promise<Library>;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** The arguments of the process, for hints how to go on. */
  readonly commandLine: readonly string[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Options of a client that several commands share, as they come from the command line. */
export interface ClientFlags {
  readonly port?: number;
  readonly stateDir?: string;
  readonly downLimit?: number;
  readonly upLimit?: number;
  readonly memory?: number;
  readonly maxPeers?: number;
  /** Nodes to begin from instead of the usual ones. */
  readonly dhtBootstrap?: readonly HostPort[];
  /** False after `--no-dht`, `--no-pex` and `--no-lsd`. */
  readonly dht?: boolean;
  readonly pex?: boolean;
  readonly lsd?: boolean;
  readonly encryption?: Encryption;
}
