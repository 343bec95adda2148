/**
 * Where the files of a torrent are on a web server (BEP 19).
 *
 * A URL that ends in a slash is a folder, and the torrent's name is in it. One that does not is the file itself if the
 * torrent is a single file; if it is a folder, every client takes the slash for forgotten.
 *
 *     http://host/dir/   + single file `a b`         http://host/dir/a%20b
 *     http://host/x.iso  + single file               http://host/x.iso
 *     http://host/dir    + folder `f` with `s/ü?`    http://host/dir/f/s/%C3%BC%3F
 *
 * Names go in as they stand in the torrent, each element escaped by itself.
 */
const UNESCAPED = /[A-Za-z0-9\-_.!~*'()]/;

export class WebSeedUrls {
  readonly #base: string;
  /** What comes after the path, such as a token. */
  readonly #query: string;
  readonly #isFile: boolean;
  readonly #paths: readonly (readonly Uint8Array[])[];

  /** @param paths By file, as they stand in the torrent. */
  constructor(url: string, isSingleFile: boolean, paths: readonly (readonly Uint8Array[])[]) {
    const [, path, query] = /^([^?#]*)(\?[^#]*)?/.exec(url)!;
    this.#isFile = isSingleFile && !path!.endsWith('/') && hasPath(path!);
    this.#base = this.#isFile || path!.endsWith('/') ? path! : `${path!}/`;
    this.#query = query ?? '';
    this.#paths = paths;
  }

  /** True if the URL says more than where to look. */
  get hasQuery(): boolean {
    return this.#query !== '';
  }

  /** The URL of a file, or null if its path leads out of the torrent. */
  of(file: number): string | null {
    if (this.#isFile) return this.#base + this.#query;
    const elements = this.#paths[file]!.map(escapeElement);
    if (elements.includes(null)) return null;
    return this.#base + elements.join('/') + this.#query;
  }
}

function hasPath(url: string): boolean {
  return /^[a-z]+:\/\/[^/]+\//i.test(url);
}

/** Null for what is no name: a URL parser would take `..` for the folder above. */
function escapeElement(bytes: Uint8Array): string | null {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += UNESCAPED.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text === '' || text === '.' || text === '..' ? null : text;
}
