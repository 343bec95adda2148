/**
 * How fast a file can reach everybody, at best (Kumar and Ross 2006; the figure is in Kurose and Ross, "Computer
 * Networking", 2.5). Rates are in bytes per second, lengths in bytes, answers in seconds.
 */
export interface Rates {
  /** F. */
  readonly length: number;
  /** us: what the server or all first seeders together can send. */
  readonly server: number;
  /** ui of each downloader. */
  readonly up: readonly number[];
  /** dmin: what the slowest of them can receive. */
  readonly slowestDown: number;
}

/** One server sends everything to everyone: max{NF/us, F/dmin}. */
export function clientServerSeconds({ length, server, up, slowestDown }: Rates): number {
  return Math.max((up.length * length) / server, length / slowestDown);
}

/** Everyone sends on what they got: max{F/us, F/dmin, NF/(us + sum of ui)}. */
export function peerToPeerSeconds({ length, server, up, slowestDown }: Rates): number {
  let all = server;
  for (const rate of up) all += rate;
  return Math.max(length / server, length / slowestDown, (up.length * length) / all);
}
