import { wellFormed } from './escape.ts';

/** What a magnet link (BEP 9) of a torrent is made of. */
export interface MagnetParts {
  readonly infoHashHex: string;
  readonly name: string;
  readonly trackers: readonly (readonly string[])[];
  readonly webSeeds: readonly string[];
}

/** The magnet link of a torrent: harmless text, because everything from outside is percent-encoded. */
export function magnetLink(torrent: MagnetParts): string {
  const parts = [`xt=urn:btih:${torrent.infoHashHex}`, `dn=${encode(torrent.name)}`];
  for (const url of torrent.trackers.flat()) parts.push(`tr=${encode(url)}`);
  for (const url of torrent.webSeeds) parts.push(`ws=${encode(url)}`);
  return `magnet:?${parts.join('&')}`;
}

function encode(text: string): string {
  return encodeURIComponent(wellFormed(text));
}
