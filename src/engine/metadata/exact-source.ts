/**
 * A magnet link may name web servers that have its .torrent (`xs`, exact source). Whoever wrote the link chose the URL,
 * so that fetching it tells a stranger that we are here: it is done only for a user who said so. What comes is believed
 * for its info hash alone.
 */
import { MetainfoError } from '../../errors.ts';
import { withoutLogin } from '../../metainfo/announce-urls.ts';
import { TORRENT_BYTES_MAX } from '../../metainfo/limits.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import { parseTorrent } from '../../metainfo/parse-torrent.ts';
import type { Cancel, HttpPort, HttpResponse } from '../../ports.ts';
import { equalBytes } from '../../util/bytes.ts';
import { logger } from '../../util/log.ts';

const log = logger('magnet');

/** The whole of one fetch, redirects included; as for a .torrent whose URL the user gives. */
const FETCH_TIMEOUT_MS = 30_000;

export interface ExactSourceOptions {
  readonly infoHash: Uint8Array;
  /** Checked by `isWebSeedUrl`. */
  readonly urls: readonly string[];
  /** Refuse all servers in local address ranges. */
  readonly refuseLocal: boolean;
  /** A .torrent with the right info hash. */
  readonly onFound: (metaInfo: MetaInfo) => void;
  readonly onTrouble: (error: MetainfoError) => void;
}

/** Fetches a .torrent from the servers that a magnet link names: one after the other, each once. */
export class ExactSource {
  readonly #http: HttpPort;
  readonly #options: ExactSourceOptions;
  #next = 0;
  #fetch: Cancel | null = null;

  constructor(http: HttpPort, options: ExactSourceOptions) {
    this.#http = http;
    this.#options = options;
  }

  /** Begins with the first server, also if all have failed before. */
  start(): void {
    this.stop();
    this.#next = 0;
    this.#tryNext();
  }

  stop(): void {
    this.#fetch?.cancel();
    this.#fetch = null;
  }

  #tryNext(): void {
    const url = this.#options.urls[this.#next++];
    if (url === undefined) return;
    log('fetching %s', withoutLogin(url));
    this.#fetch = this.#http.get(
      {
        url,
        timeoutMs: FETCH_TIMEOUT_MS,
        maxBytes: TORRENT_BYTES_MAX,
        // A link that sends us to our own network with a query would have us press somebody's buttons there.
        refuseLocal: this.#options.refuseLocal || url.includes('?'),
      },
      (result) => this.#onAnswer(url, result),
    );
  }

  #onAnswer(url: string, result: HttpResponse | Error): void {
    this.#fetch = null;
    let metaInfo: MetaInfo;
    try {
      metaInfo = readAnswer(result, this.#options.infoHash);
    } catch (error) {
      if (!(error instanceof MetainfoError)) throw error;
      const { code, field, offset } = error;
      const message = `no torrent from ${withoutLogin(url)}: ${error.message}`;
      this.#options.onTrouble(new MetainfoError(message, { code, field, offset }));
      this.#tryNext();
      return;
    }
    this.#options.onFound(metaInfo);
  }
}

/** @throws MetainfoError for all but a .torrent with this hash. */
function readAnswer(result: HttpResponse | Error, infoHash: Uint8Array): MetaInfo {
  if (result instanceof Error) throw new MetainfoError(result.message);
  if (result.status !== 200) throw new MetainfoError(`status ${result.status}`);
  const metaInfo = parseTorrent(result.body);
  if (!equalBytes(metaInfo.infoHash, infoHash)) {
    throw new MetainfoError('another torrent than the link is of', { field: 'info' });
  }
  return metaInfo;
}
