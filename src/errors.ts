/**
 * Errors that users of the library see, by who is to blame. Codes are stable API: they never change meaning.
 *
 * | code | class | meaning |
 * |---|---|---|
 * | ERR_INVALID_OPTION | UsageError | an option or argument has a wrong type or value |
 * | ERR_CLOSED | UsageError | the client or the torrent was closed |
 * | ERR_LOCKED | UsageError | another process downloads this torrent to this folder |
 * | ERR_BENCODE | MetainfoError | the bytes are not valid bencode |
 * | ERR_METAINFO | MetainfoError | bencode, but not a valid torrent |
 * | ERR_UNSUPPORTED | MetainfoError, MagnetError | a valid torrent of a kind we cannot download (v2 only) |
 * | ERR_MAGNET | MagnetError | not a magnet link, or one without a usable info hash |
 * | ERR_TRACKER | TrackerError | a tracker failed or refused |
 * | ERR_WEB_SEED | WebSeedError | a web seed cannot be used, at least for now |
 * | ERR_DISK_FULL | StorageError | no space left, or a quota |
 * | ERR_DISK_PERMISSION | StorageError | permission denied or a read-only file system |
 * | ERR_FILE_MISSING | StorageError | a file vanished |
 * | ERR_UNSAFE_PATH | StorageError | a path would leave the download folder, or is no regular file |
 * | ERR_DISK_IO | StorageError | any other failure of the disk |
 * | ERR_LISTEN | ListenError | the listening port could not be opened |
 * | ERR_RESUME | ResumeError | resume data is damaged or of another torrent |
 * | ERR_NO_PEERS | TimeoutError | nothing reachable in the given time |
 * | ERR_INTERNAL | InternalError | a bug of ours; please report it with the error's `cause` |
 */
export type ErrorCode =
  | 'ERR_INVALID_OPTION'
  | 'ERR_CLOSED'
  | 'ERR_LOCKED'
  | 'ERR_BENCODE'
  | 'ERR_METAINFO'
  | 'ERR_UNSUPPORTED'
  | 'ERR_MAGNET'
  | 'ERR_TRACKER'
  | 'ERR_WEB_SEED'
  | StorageErrorCode
  | 'ERR_LISTEN'
  | 'ERR_RESUME'
  | 'ERR_NO_PEERS'
  | 'ERR_INTERNAL';

export type StorageErrorCode =
  'ERR_DISK_FULL' | 'ERR_DISK_PERMISSION' | 'ERR_FILE_MISSING' | 'ERR_UNSAFE_PATH' | 'ERR_DISK_IO';

export type UsageErrorCode = 'ERR_INVALID_OPTION' | 'ERR_CLOSED' | 'ERR_LOCKED';

/** Every error the library throws, rejects with or emits is one of these. */
export abstract class TorrentTsError extends Error {
  abstract readonly code: ErrorCode;
}

/** The caller's fault. Thrown synchronously where possible. */
export class UsageError extends TorrentTsError {
  override readonly name = 'UsageError';
  readonly code: UsageErrorCode;

  constructor(message: string, code: UsageErrorCode = 'ERR_INVALID_OPTION') {
    super(message);
    this.code = code;
  }
}

/** The torrent file's fault. */
export class MetainfoError extends TorrentTsError {
  override readonly name = 'MetainfoError';
  readonly code: 'ERR_BENCODE' | 'ERR_METAINFO' | 'ERR_UNSUPPORTED';
  /** Dotted path of the bad field, such as `info.files.3.path`; empty for bencode errors. */
  readonly field: string;
  /** Byte offset of a bencode error, otherwise -1. */
  readonly offset: number;

  constructor(
    message: string,
    detail: {
      code?: 'ERR_BENCODE' | 'ERR_METAINFO' | 'ERR_UNSUPPORTED';
      field?: string;
      offset?: number;
    } = {},
  ) {
    super(message);
    this.code = detail.code ?? 'ERR_METAINFO';
    this.field = detail.field ?? '';
    this.offset = detail.offset ?? -1;
  }
}

/** The magnet link's fault. */
export class MagnetError extends TorrentTsError {
  override readonly name = 'MagnetError';
  readonly code: 'ERR_MAGNET' | 'ERR_UNSUPPORTED';
  /** The parameter that is to blame, such as `xt`; empty if it is the whole link. */
  readonly field: string;

  constructor(message: string, detail: { code?: 'ERR_MAGNET' | 'ERR_UNSUPPORTED'; field?: string } = {}) {
    super(message);
    this.code = detail.code ?? 'ERR_MAGNET';
    this.field = detail.field ?? '';
  }
}

/** A tracker's fault, or the network's on the way to it. Announces are retried; this is for information. */
export class TrackerError extends TorrentTsError {
  override readonly name = 'TrackerError';
  readonly code = 'ERR_TRACKER';
  readonly url: string;

  constructor(message: string, url: string, options?: ErrorOptions) {
    super(message, options);
    this.url = url;
  }
}

/** A web seed's fault, or the network's on the way to it. It is tried again later; this is for information. */
export class WebSeedError extends TorrentTsError {
  override readonly name = 'WebSeedError';
  readonly code = 'ERR_WEB_SEED';
  /** Without name and password. */
  readonly url: string;

  constructor(message: string, url: string) {
    super(message);
    this.url = url;
  }
}

/** The disk's fault. */
export class StorageError extends TorrentTsError {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  /** The file it happened to, as a path on disk. */
  readonly path: string;

  constructor(message: string, code: StorageErrorCode, path: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

export class ListenError extends TorrentTsError {
  override readonly name = 'ListenError';
  readonly code = 'ERR_LISTEN';
  readonly port: number;

  constructor(message: string, port: number, options?: ErrorOptions) {
    super(message, options);
    this.port = port;
  }
}

export class ResumeError extends TorrentTsError {
  override readonly name = 'ResumeError';
  readonly code = 'ERR_RESUME';
}

export class TimeoutError extends TorrentTsError {
  override readonly name = 'TimeoutError';
  readonly code = 'ERR_NO_PEERS';
}

/** A bug of ours. `cause` is what was thrown, with its stack. */
export class InternalError extends TorrentTsError {
  override readonly name = 'InternalError';
  readonly code = 'ERR_INTERNAL';
}
