import { MetainfoError } from '../errors.ts';
import { utf8 } from '../util/bytes.ts';
import { PATH_BYTES_MAX, RENAMES_MAX } from './limits.ts';
import { foldName, suffixedName } from './safe-name.ts';

/**
 * Gives every file of a torrent a path of its own.
 *
 * Two names can become one when they are made safe, torrents can name the same path twice or use one name for a file
 * and a folder, and many disks take `A` and `a` (or the two spellings of `é`) for the same. Data of two files in one
 * would never verify, so whoever comes later gets a number: `x.1.txt`. The order of the torrent decides, so the same
 * torrent gets the same paths everywhere.
 */
export class PathTable {
  readonly #root: Folder;
  #renames = 0;

  /** @param root Name of the folder above all files. */
  constructor(root: string) {
    this.#root = new Folder(root, new Places());
  }

  /**
   * The path of the next file.
   * @param names Safe names on the way from the root to the file.
   * @param field Where the file stands in the torrent, for errors.
   * @throws MetainfoError if too many had to be renamed, or the path is too long for a disk.
   */
  add(names: readonly string[], field: () => string): string {
    let folder = this.#root;
    for (let i = 0; i < names.length - 1; i++) {
      const name = names[i]!;
      folder = folder.known.get(name) ?? this.#enter(folder, name, field);
    }
    const { name, fold } = this.#freeName(folder.places, names[names.length - 1]!, false, field);
    folder.places.taken.set(fold, null);
    const path = `${folder.path}/${name}`;
    if (path.length * 3 > PATH_BYTES_MAX && utf8(path).length > PATH_BYTES_MAX) {
      throw new MetainfoError(`${field()} is longer than ${PATH_BYTES_MAX} bytes`, { field: field() });
    }
    return path;
  }

  /** A folder that no file was in before. Folders whose names fold alike share what lies in them. */
  #enter(parent: Folder, wanted: string, field: () => string): Folder {
    const { name, fold } = this.#freeName(parent.places, wanted, true, field);
    const places = parent.places.taken.get(fold) ?? new Places();
    parent.places.taken.set(fold, places);
    const folder = new Folder(`${parent.path}/${name}`, places);
    parent.known.set(wanted, folder);
    return folder;
  }

  /** The name itself if nobody has it, else with the first number that is free. */
  #freeName(
    places: Places,
    wanted: string,
    isFolder: boolean,
    field: () => string,
  ): { name: string; fold: string } {
    const wantedFold = foldName(wanted);
    if (places.isFree(wantedFold, isFolder)) return { name: wanted, fold: wantedFold };
    if (++this.#renames > RENAMES_MAX) {
      throw new MetainfoError(`more than ${RENAMES_MAX} files have the path of another one`, {
        field: field(),
      });
    }
    for (let number = (places.tried.get(wantedFold) ?? 0) + 1; ; number++) {
      const name = suffixedName(wanted, `.${number}`);
      const fold = foldName(name);
      if (!places.isFree(fold, isFolder)) continue;
      places.tried.set(wantedFold, number);
      return { name, fold };
    }
  }
}

/** A folder as the torrent spells it. */
class Folder {
  readonly path: string;
  readonly places: Places;
  /** Folders in it by the names that the torrent gives them, which need not be the ones they got. */
  readonly known = new Map<string, Folder>();

  constructor(path: string, places: Places) {
    this.path = path;
    this.places = places;
  }
}

/** What lies in a folder, by folded names. */
class Places {
  /** Null stands for a file. */
  readonly taken = new Map<string, Places | null>();
  /** The last number that was tried for a name wanted more than once. */
  readonly tried = new Map<string, number>();

  /** A folder may have the name of another folder: then both are one. */
  isFree(fold: string, isFolder: boolean): boolean {
    const there = this.taken.get(fold);
    return there === undefined || (isFolder && there !== null);
  }
}
