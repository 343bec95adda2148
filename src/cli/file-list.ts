import { resolve, join } from 'node:path';
import type { Context } from './context.ts';
import { safeText } from './escape.ts';
import { formatBytes, plural } from './format.ts';
import type { MetaInfo } from './library.ts';
import type { Selection } from './parse-values.ts';
import { renderTable } from './table.ts';
import { freeBytes } from './transfer.ts';

export interface ListFlags {
  readonly dir: string;
  readonly select?: readonly Selection[];
}

interface ListedFile {
  readonly index: number;
  readonly path: string;
  readonly length: number;
  readonly selected: boolean;
}

/** `download --list`: the files with the numbers that `--select` takes. */
export async function listFiles(context: Context, metaInfo: MetaInfo, flags: ListFlags): Promise<void> {
  const files = await selectedFiles(context, metaInfo, flags.select);
  const { terminal } = context;
  if (terminal.json) {
    terminal.event({ event: 'files', infoHash: metaInfo.infoHashHex, name: metaInfo.name, files });
    return;
  }
  printFiles(context, files, flags.select !== undefined);
}

/** `download --dry-run`: what would be downloaded, and where to. */
export async function tellPlan(context: Context, metaInfo: MetaInfo, flags: ListFlags): Promise<void> {
  const files = await selectedFiles(context, metaInfo, flags.select);
  const wanted = files.filter(({ selected }) => selected);
  const wantedBytes = wanted.reduce((sum, { length }) => sum + length, 0);
  const path = resolve(join(flags.dir, metaInfo.name));
  const { terminal } = context;
  if (terminal.json) {
    const { infoHashHex: infoHash, name } = metaInfo;
    terminal.event({ event: 'plan', infoHash, name, path, wantedBytes, files });
    return;
  }
  const free = await freeBytes(flags.dir);
  printFiles(context, wanted, false);
  terminal.note(
    `would download ${plural(wanted.length, 'file')}, ${formatBytes(wantedBytes)}, to ${safeText(path)}` +
      (free === null ? '' : ` (${formatBytes(free)} free)`),
  );
}

async function selectedFiles(
  context: Context,
  metaInfo: MetaInfo,
  select: readonly Selection[] | undefined,
): Promise<ListedFile[]> {
  const { selectFiles } = await context.library();
  const wanted = select ? selectFiles(metaInfo, select) : null;
  return metaInfo.files
    .filter(({ padding }) => !padding)
    .map(({ index, path, length }) => ({ index, path, length, selected: wanted?.[index] ?? true }));
}

function printFiles(context: Context, files: readonly ListedFile[], mark: boolean): void {
  const { terminal } = context;
  const forPeople = terminal.stdoutIsTerminal;
  const rows = files.map(({ index, path, length, selected }) => [
    ...(mark ? [selected ? '+' : '-'] : []),
    String(index),
    forPeople ? formatBytes(length) : String(length),
    safeText(path),
  ]);
  const align = [...(mark ? (['left'] as const) : []), 'right', 'right', 'left'] as const;
  for (const line of renderTable(rows, align, forPeople)) terminal.result(line);
}
