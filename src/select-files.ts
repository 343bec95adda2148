import picomatch from 'picomatch';
import { UsageError } from './errors.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import type { FileFilter } from './options.ts';

/**
 * Which files a filter means, by index. A number is an index, a pair a range of indices, a text a glob over the path
 * inside the torrent, with or without the torrent's own folder in front.
 * @throws UsageError if a part of the filter matches nothing.
 */
export function selectFiles(metaInfo: MetaInfo, filter: FileFilter): boolean[] {
  const chosen = metaInfo.files.map(() => false);
  for (const part of filter) {
    let found = false;
    const matches = matcher(part, metaInfo);
    for (const file of metaInfo.files) {
      if (file.padding || !matches(file.index, file.path)) continue;
      chosen[file.index] = true;
      found = true;
    }
    if (!found) throw new UsageError(`no file matches ${JSON.stringify(part)}`);
  }
  return chosen;
}

function matcher(part: FileFilter[number], metaInfo: MetaInfo): (index: number, path: string) => boolean {
  if (typeof part === 'number') return (index) => index === part;
  if (typeof part !== 'string') return (index) => index >= part[0] && index <= part[1];
  const glob = picomatch(part, { dot: true });
  const folder = metaInfo.isSingleFile ? '' : `${metaInfo.name}/`;
  return (_, path) => glob(path) || (path.startsWith(folder) && glob(path.slice(folder.length)));
}
