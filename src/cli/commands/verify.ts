import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { safeText } from '../escape.ts';
import { EXIT } from '../exit-codes.ts';
import { plural } from '../format.ts';
import { HashView } from '../hash-progress.ts';
import type { VerifiedFile } from '../library.ts';
import { loadTorrent } from '../load-torrent.ts';
import { paint } from '../style.ts';
import type { Style } from '../style.ts';
import { renderTable } from '../table.ts';

const STATE_STYLES: Record<VerifiedFile['state'], Style> = { ok: 'green', damaged: 'red', missing: 'yellow' };

/** `torrent-ts verify`: resolves to the exit code. */
export async function verify(context: Context, source: string, dir: string): Promise<number> {
  const { terminal } = context;
  const { metaInfo } = await loadTorrent(context, source);
  const library = await context.library();
  const view = new HashView(context, `checking ${safeText(metaInfo.name)}`);
  let result;
  try {
    result = await library.verify(metaInfo, resolve(dir), {
      onProgress: view.update,
      signal: context.interrupt.signal,
    });
  } finally {
    view.end();
  }
  const { files } = result;
  const badPieces = result.pieces.bad;
  if (terminal.json) {
    const { infoHashHex: infoHash, name, pieceCount } = metaInfo;
    terminal.resultJson({ infoHash, name, ok: result.ok, pieceCount, badPieces, files });
    return result.ok ? EXIT.done : EXIT.damaged;
  }
  const rows = files.map((file) => [
    file.state,
    safeText(file.path) + (file.state === 'damaged' ? `  (${plural(file.badPieces, 'bad piece')})` : ''),
  ]);
  renderTable(rows, ['left', 'left'], terminal.stdoutIsTerminal).forEach((line, i) => {
    const { state } = files[i]!;
    terminal.result(paint(state, STATE_STYLES[state], terminal.stdoutColor) + line.slice(state.length));
  });
  terminal.note(
    result.ok
      ? `${safeText(metaInfo.name)} is whole: ${plural(metaInfo.pieceCount, 'piece')} verified`
      : `${safeText(metaInfo.name)} is not whole: ${badPieces.length} of ${plural(metaInfo.pieceCount, 'piece')} missing or damaged; ` +
          `torrent-ts download fetches them again`,
    result.ok ? 'green' : 'red',
  );
  return result.ok ? EXIT.done : EXIT.damaged;
}
