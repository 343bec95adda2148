/**
 * The paths of a torrent's files as they stand in it, for places that know the files by those names: web servers
 * (BEP 19). They are not safe to use on a disk; `FileEntry.path` is.
 */
import { decode } from '../bencode/codec.ts';
import { Fields, readBytes } from '../bencode/fields.ts';
import { TORRENT_LIMITS } from '../bencode/scan.ts';
import type { MetaInfo } from './metainfo.ts';

/** By file, the torrent's name first. The elements may be empty, `..` or no UTF-8; pad files have only the name. */
export function readRawPaths(metaInfo: MetaInfo): readonly (readonly Uint8Array[])[] {
  const { files, infoBytes, isSingleFile } = metaInfo;
  const info = Fields.root(decode(infoBytes, TORRENT_LIMITS).value);
  const name = readBytes(info.dict, 'name.utf-8') ?? info.bytes('name');
  if (isSingleFile) return [[name]];
  return Array.from(info.dictionaries('files'), (file, index) => {
    if (files[index]!.padding) return [name];
    return [name, ...file.byteStrings(file.has('path.utf-8') ? 'path.utf-8' : 'path')];
  });
}
