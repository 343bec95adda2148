import picomatch from 'picomatch';
import { UsageError } from './errors.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import type { FileFilter } from './options.ts';

/**
 * Which files a filter means, by index. A number is an index, a pair a range of indices, a text a glob over the path
 * inside the torrent, with or without the torrent's own folder in front. As in other tools, a text without a slash is
 * about names, wherever they are: `*.srt`. A path written out means that file, also if it has brackets or stars.
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

/**
 * The files of a magnet link's `so` (BEP 53), which may name some that do not exist; null if it names none that does.
 */
export function selectRanges(
  metaInfo: MetaInfo,
  ranges: readonly (readonly [number, number])[],
): boolean[] | null {
  const rising = [...ranges].sort(([a], [b]) => a - b);
  let next = 0;
  let reach = -1;
  const chosen = metaInfo.files.map(({ index, padding }) => {
    while (next < rising.length && rising[next]![0] <= index) reach = Math.max(reach, rising[next++]![1]);
    return index <= reach && !padding;
  });
  return chosen.includes(true) ? chosen : null;
}

function matcher(part: FileFilter[number], metaInfo: MetaInfo): (index: number, path: string) => boolean {
  if (typeof part === 'number') return (index) => index === part;
  if (typeof part !== 'string') return (index) => index >= part[0] && index <= part[1];
  const glob = picomatch(part, { dot: true, basename: !part.includes('/') });
  const folder = metaInfo.isSingleFile ? '' : `${metaInfo.name}/`;
  const matches = (path: string): boolean => path === part || glob(path);
  return (_, path) => matches(path) || (path.startsWith(folder) && matches(path.slice(folder.length)));
}
