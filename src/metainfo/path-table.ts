import { MetainfoError } from '../errors.ts';
import { utf8 } from '../util/bytes.ts';
import { PATH_BYTES_MAX, RENAMES_MAX } from './limits.ts';
import { foldPath, suffixedName } from './safe-name.ts';

/**
 * Gives every file of a torrent a path of its own.
 *
 * Two names can become one when they are made safe, torrents can name the same path twice or use one name for a file
 * and a folder, and many disks take `A` and `a` (or the two spellings of `é`) for the same. Data of two files in one
 * would never verify, so whoever comes later gets a suffix: `x.1.txt`. The order of the torrent decides, so the same
 * torrent gets the same paths everywhere.
 */
export class PathTable {
  /** What lies at a folded path. */
  readonly #taken = new Map<string, 'file' | 'folder'>();
  /** Folders by the safe names that lead to them: the path they got. */
  readonly #folders = new Map<string, string>();
  #renames = 0;

  /** The root, which no file can take. */
  constructor(root: string) {
    this.#taken.set(foldPath(root), 'folder');
    this.#folders.set(root, root);
  }

  /**
   * The path of the next file.
   * @param names Safe names from the root to the file; the first is the root itself.
   * @param field Where the file stands in the torrent, for errors.
   * @throws MetainfoError if too many had to be renamed, or the path is too long for a disk.
   */
  add(names: readonly string[], field: () => string): string {
    const folder = this.#folder(names, names.length - 1, field);
    const path = this.#free(folder, names[names.length - 1]!, 'file', field);
    if (path.length * 3 > PATH_BYTES_MAX && utf8(path).length > PATH_BYTES_MAX) {
      throw new MetainfoError(`${field()} is longer than ${PATH_BYTES_MAX} bytes`, { field: field() });
    }
    return path;
  }

  #folder(names: readonly string[], depth: number, field: () => string): string {
    const key = names.slice(0, depth).join('/');
    const known = this.#folders.get(key);
    if (known !== undefined) return known;
    const path = this.#free(this.#folder(names, depth - 1, field), names[depth - 1]!, 'folder', field);
    this.#folders.set(key, path);
    return path;
  }

  /** A path in `folder` that nothing else has; a folder may share its path with a folder. */
  #free(folder: string, name: string, kind: 'file' | 'folder', field: () => string): string {
    let path = `${folder}/${name}`;
    let fold = foldPath(path);
    for (let i = 1; this.#isTaken(fold, kind); i++) {
      path = `${folder}/${suffixedName(name, `.${i}`)}`;
      fold = foldPath(path);
      if (i === 1) this.#renames++;
      if (this.#renames > RENAMES_MAX || i > RENAMES_MAX) {
        throw new MetainfoError(`more than ${RENAMES_MAX} files have the path of another one`, {
          field: field(),
        });
      }
    }
    this.#taken.set(fold, kind);
    return path;
  }

  #isTaken(fold: string, kind: 'file' | 'folder'): boolean {
    const there = this.#taken.get(fold);
    return there !== undefined && !(there === 'folder' && kind === 'folder');
  }
}
