/**
 * The files of a torrent (BEP 3), with paths that are safe and distinct.
 *
 * Files without content of their own stay in the list, because BEP 53 and others count them, but are marked as padding,
 * so nobody writes or requests them: pad files (BEP 47, by attribute, or by the names that older programs gave them)
 * and symbolic links (BEP 47), which are never made: a link is the classic way out of the download folder.
 */
import { Fields, readBytes, readList } from '../bencode/fields.ts';
import { MetainfoError } from '../errors.ts';
import { toByteString } from '../bencode/value.ts';
import { CONTENT_LENGTH_MAX, FILE_LENGTH_MAX, PATH_DEPTH_MAX } from './limits.ts';
import type { FileEntry } from './metainfo.ts';
import { PathTable } from './path-table.ts';
import { safeName } from './safe-name.ts';

const ATTRIBUTE_PAD = 0x70; // p
const ATTRIBUTE_LINK = 0x6c; // l
/** `.pad/1234` is the path BEP 47 recommends; BitComet has its own. */
const PAD_FOLDER = '.pad';
const PAD_NAME = /^\d+$/;
const BITCOMET_PAD = '_____padding_file_';
/** Stands for an element such as `..`, so that the depth of a path stays. */
const NAMELESS = '_';

export interface FileList {
  readonly name: string;
  readonly files: readonly FileEntry[];
  readonly isSingleFile: boolean;
  /** Bytes of content, pad files included. */
  readonly length: number;
}

/**
 * @param info The `info` dictionary.
 * @param fallbackName For torrents whose name names nothing.
 * @throws MetainfoError
 */
export function readFileList(info: Fields, fallbackName: string, windows: boolean): FileList {
  const name = safeName(preferUtf8(info, 'name') ?? info.bytes('name'), windows) ?? fallbackName;
  if (info.has('files') && info.has('length')) {
    throw new MetainfoError('info has both a length and a list of files', { field: 'info.files' });
  }
  const isSingleFile = !info.has('files');
  const files = isSingleFile ? [singleFile(info, name)] : multipleFiles(info, name, windows);
  const last = files[files.length - 1];
  const length = last ? last.offset + last.length : 0;
  const field = isSingleFile ? 'info.length' : 'info.files';
  if (files.every((file) => file.padding || file.length === 0)) {
    throw new MetainfoError(`${field}: the torrent has no content`, { field });
  }
  return { name, files: Object.freeze(files), isSingleFile, length };
}

function singleFile(info: Fields, name: string): FileEntry {
  const length = info.int('length', 0, FILE_LENGTH_MAX);
  return Object.freeze({ index: 0, path: name, length, offset: 0, padding: false });
}

function multipleFiles(info: Fields, name: string, windows: boolean): FileEntry[] {
  const table = new PathTable(name);
  const files: FileEntry[] = [];
  let offset = 0;
  for (const fields of info.dictionaries('files')) {
    const index = files.length;
    const isLink = hasAttribute(fields, ATTRIBUTE_LINK);
    const length = isLink && !fields.has('length') ? 0 : fields.int('length', 0, FILE_LENGTH_MAX);
    const padding = isPad(fields) || (isLink && length === 0);
    const path = padding ? `${name}/${PAD_FOLDER}/${length}` : filePath(fields, windows, table);
    files.push(Object.freeze({ index, path, length, offset, padding }));
    offset += length;
    if (offset > CONTENT_LENGTH_MAX) {
      throw new MetainfoError(`info.files have more than ${CONTENT_LENGTH_MAX} bytes together`, {
        field: 'info.files',
      });
    }
  }
  return files;
}

function filePath(fields: Fields, windows: boolean, table: PathTable): string {
  const key = fields.has('path.utf-8') ? 'path.utf-8' : 'path';
  const elements = fields.byteStrings(key);
  if (elements.length === 0) fields.fail(key, 'must name the file');
  if (elements.length > PATH_DEPTH_MAX) fields.fail(key, `must have at most ${PATH_DEPTH_MAX} elements`);
  const names = elements.map((element) => safeName(element, windows) ?? NAMELESS);
  return table.add(names, () => fields.pathOf(key));
}

function isPad(fields: Fields): boolean {
  if (hasAttribute(fields, ATTRIBUTE_PAD)) return true;
  const path = readList(fields.dict, 'path');
  const first = path?.[0];
  const last = path?.[path.length - 1];
  if (!(first instanceof Uint8Array) || !(last instanceof Uint8Array)) return false;
  if (last[0] === 0x5f && toByteString(last).startsWith(BITCOMET_PAD)) return true;
  return (
    path!.length === 2 &&
    first.length === PAD_FOLDER.length &&
    toByteString(first) === PAD_FOLDER &&
    PAD_NAME.test(toByteString(last))
  );
}

function hasAttribute(fields: Fields, attribute: number): boolean {
  return readBytes(fields.dict, 'attr')?.includes(attribute) ?? false;
}

/** Programs of the time before UTF-8 was the rule put the UTF-8 form beside one in a local encoding. */
function preferUtf8(fields: Fields, key: string): Uint8Array | null {
  return readBytes(fields.dict, `${key}.utf-8`);
}
