import type { Context } from '../context.ts';
import type { CreateFlags } from '../create-flags.ts';
import { safeText } from '../escape.ts';
import { EXIT } from '../exit-codes.ts';
import { formatBytes, plural } from '../format.ts';
import { makeTorrent, refuseToOverwrite, writeWhole } from '../make-torrent.ts';

export interface CreateCommandFlags extends CreateFlags {
  /** Where the .torrent goes; `-` is stdout. Default: its name in the current folder. */
  readonly output?: string;
  readonly force?: boolean;
}

/** `torrent-ts create`: resolves to the exit code. */
export async function create(context: Context, path: string, flags: CreateCommandFlags): Promise<number> {
  const { terminal } = context;
  const force = flags.force === true;
  const toStdout = flags.output === '-';
  if (flags.output !== undefined && !toStdout) await refuseToOverwrite(flags.output, force);
  const { metaInfo, torrentFile } = await makeTorrent(context, path, flags);
  const output = flags.output ?? `${metaInfo.name}.torrent`;
  if (toStdout) await terminal.resultBytes(torrentFile);
  else await writeWhole(output, torrentFile, force);

  const magnet = (await context.library()).writeMagnet(metaInfo);
  if (toStdout) return EXIT.done;
  if (terminal.json) {
    const { infoHashHex: infoHash, name } = metaInfo;
    terminal.event({ event: 'created', infoHash, name, magnet, torrentFile: output });
    return EXIT.done;
  }
  terminal.result(safeText(output));
  terminal.note(`info hash  ${metaInfo.infoHashHex}`);
  terminal.note(
    `content    ${plural(metaInfo.files.filter(({ padding }) => !padding).length, 'file')}, ` +
      `${formatBytes(metaInfo.length)} in ${plural(metaInfo.pieceCount, 'piece')} of ${formatBytes(metaInfo.pieceLength)}`,
  );
  terminal.note(`magnet     ${magnet}`);
  return EXIT.done;
}
