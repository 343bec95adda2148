import simpleSha1 from 'simple-sha1';
import { fromHex } from '../util/bytes.ts';

/** SHA-1 of a few bytes, on the calling thread. Pieces are hashed by the disk threads. */
export function sha1(bytes: Uint8Array): Uint8Array {
  return fromHex(simpleSha1.sync(bytes))!;
}

/**
 * The hash that names a torrent: SHA-1 of the `info` dictionary exactly as it stands in the file (BEP 3). Encoding
 * decoded values again would give another hash wherever the file is not canonical.
 */
export function infoHashOf(infoBytes: Uint8Array): Uint8Array {
  return sha1(infoBytes);
}
