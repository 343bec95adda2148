import type { TorrentState, TorrentStats } from './library.ts';

/**
 * What `--json` writes to stdout: one JSON object per line (NDJSON), each with an `event`. This schema is stable:
 * events and fields are added, never renamed or removed, so readers skip what they do not know. Sizes are bytes, rates
 * bytes per second, `…Ms` milliseconds; texts from outside are exact, with control characters as `\u` escapes.
 * Torrents are told apart by `infoHash`, 40 hexadecimal digits. `info`, `verify` and `scrape` print one object without
 * an `event` instead. Documented for users in docs/json-events.md.
 */
export type JsonEvent = ClientEvent | TorrentEvent | FileEvent | ResultEvent | ProblemEvent | DemoEvent;

type ClientEvent =
  /** The port peers can reach this client at; 0 if it does not listen. */
  | { readonly event: 'listening'; readonly port: number }
  /** `tracker` runs; these URLs announce to it. */
  | { readonly event: 'tracker'; readonly urls: readonly string[] };

interface OfTorrent {
  readonly infoHash: string;
}

type TorrentEvent = OfTorrent &
  /** A magnet link was added; `added` follows when it is known what it is a link to. `name` is what the link says. */
  (
    | { readonly event: 'magnet'; readonly name: string; readonly dir: string }
    /** A torrent was added. `dir` is the folder that holds its data. */
    | {
        readonly event: 'added';
        readonly name: string;
        readonly dir: string;
        readonly length: number;
        readonly wantedBytes: number;
        readonly pieceCount: number;
      }
    /** `download --save-torrent`: the .torrent was written. */
    | { readonly event: 'saved'; readonly torrentFile: string }
    | { readonly event: 'state'; readonly state: TorrentState; readonly before: TorrentState }
    /** Once a second while something changed. */
    | ({ readonly event: 'progress' } & TorrentStats)
    /** A file is complete. */
    | { readonly event: 'file'; readonly index: number; readonly path: string; readonly length: number }
    /** A piece failed its hash and was thrown away. `from` are the peers that sent parts of it. */
    | { readonly event: 'reject'; readonly piece: number; readonly from: readonly string[] }
    /** A peer was banned for a piece that failed its hash. */
    | { readonly event: 'ban'; readonly peer: string; readonly piece: number }
    /** All of the torrent is there and others can have it. */
    | SharedTorrent<'seeding'>
    /**
     * All wanted pieces are on disk and verified. `path` is the torrent's file or folder, `downloaded` the payload of
     * this run: 0 if everything was there before.
     */
    | {
        readonly event: 'complete';
        readonly name: string;
        readonly path: string;
        readonly wantedBytes: number;
        readonly downloaded: number;
        readonly elapsedMs: number;
      }
  );

interface SharedTorrent<Name> {
  readonly event: Name;
  readonly name: string;
  readonly magnet: string;
  /** Where the .torrent was written, or null. */
  readonly torrentFile: string | null;
}

interface ListedFile {
  readonly index: number;
  readonly path: string;
  readonly length: number;
  readonly selected: boolean;
}

type FileEvent =
  /** `download --list` */
  | (OfTorrent & { readonly event: 'files'; readonly name: string; readonly files: readonly ListedFile[] })
  /** `download --dry-run` */
  | (OfTorrent & {
      readonly event: 'plan';
      readonly name: string;
      readonly path: string;
      readonly wantedBytes: number;
      readonly files: readonly ListedFile[];
    });

/** A .torrent was made. */
type ResultEvent = OfTorrent & SharedTorrent<'created'>;

type ProblemEvent =
  /** Something is not as it should be, and it goes on. */
  | {
      readonly event: 'warning';
      readonly infoHash?: string;
      readonly code: string;
      readonly message: string;
    }
  /** A torrent, or the whole command, failed. */
  | { readonly event: 'error'; readonly infoHash?: string; readonly code: string; readonly message: string }
  /** A signal came while data was missing in so many torrents. */
  | { readonly event: 'interrupted'; readonly signal: string; readonly unfinished: number };

/** `demo` also tells the events of its downloader's torrent. */
type DemoEvent =
  /** A seeder was ended on purpose. */
  | { readonly event: 'demo-killed'; readonly peer: string }
  /** The end: what was shown, and whether it went as it should. */
  | {
      readonly event: 'demo-result';
      readonly verified: boolean;
      readonly liarCaught: boolean;
      readonly sha256: string;
      readonly length: number;
      readonly elapsedMs: number;
    };
