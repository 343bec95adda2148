import type { Context } from '../context.ts';
import { safeText } from '../escape.ts';
import { EXIT } from '../exit-codes.ts';
import { listPeers } from '../find-peers.ts';
import { formatBytes } from '../format.ts';
import type { MetaInfo } from '../library.ts';
import { fetchMetadata, type MetadataFlags } from '../fetch-metadata.ts';
import { loadSource } from '../load-source.ts';
import { refuseToOverwrite, writeWhole } from '../make-torrent.ts';
import { peerText } from '../transfer.ts';
import { renderTable } from '../table.ts';

export interface InfoFlags extends MetadataFlags {
  /** Where to write the .torrent. */
  readonly save?: string;
  readonly force?: boolean;
  /** List the peers instead. */
  readonly peers?: boolean;
}

/** `torrent-ts info`: resolves to the exit code. */
export async function info(context: Context, source: string, flags: InfoFlags): Promise<number> {
  const { terminal } = context;
  const { save, force = false } = flags;
  if (save !== undefined) await refuseToOverwrite(save, force);
  const loaded = await loadSource(context, source);
  if (flags.peers) return listPeers(context, loaded, flags);
  const metaInfo = 'magnet' in loaded ? await fetchMetadata(context, loaded.magnet, flags) : loaded.metaInfo;
  if (save !== undefined) {
    const { writeTorrent } = await context.library();
    await writeWhole(save, writeTorrent(metaInfo.infoBytes, metaInfo), force);
    terminal.note(`wrote ${safeText(save)}`);
  }
  if (terminal.json) {
    terminal.resultJson(infoObject(metaInfo));
    return EXIT.done;
  }
  const forPeople = terminal.stdoutIsTerminal;
  for (const line of renderTable(infoRows(metaInfo, forPeople), ['left', 'left'], forPeople))
    terminal.result(line);
  const files = realFiles(metaInfo).map(({ path, length }) => [
    'file',
    forPeople ? formatBytes(length) : String(length),
    safeText(path),
  ]);
  for (const line of renderTable(files, ['left', 'right', 'left'], forPeople)) terminal.result(line);
  return EXIT.done;
}

/** What `info --json` prints. Keys and their meaning are stable. */
export function infoObject(metaInfo: MetaInfo): Record<string, unknown> {
  return {
    infoHash: metaInfo.infoHashHex,
    name: metaInfo.name,
    length: metaInfo.length,
    pieceLength: metaInfo.pieceLength,
    pieceCount: metaInfo.pieceCount,
    private: metaInfo.private,
    files: realFiles(metaInfo).map(({ path, length }) => ({ path, length })),
    trackers: metaInfo.trackers,
    webSeeds: metaInfo.webSeeds,
    nodes: metaInfo.nodes.map(peerText),
    comment: metaInfo.comment,
    createdBy: metaInfo.createdBy,
    createdAt: metaInfo.createdAt,
  };
}

function infoRows(metaInfo: MetaInfo, forPeople: boolean): string[][] {
  const rows = [
    ['name', safeText(metaInfo.name)],
    ['info hash', metaInfo.infoHashHex],
    ['size', forPeople ? formatBytes(metaInfo.length) : String(metaInfo.length)],
    [
      'pieces',
      forPeople
        ? `${metaInfo.pieceCount} of ${formatBytes(metaInfo.pieceLength)}`
        : `${metaInfo.pieceCount}\t${metaInfo.pieceLength}`,
    ],
    ['private', metaInfo.private ? 'yes' : 'no'],
  ];
  metaInfo.trackers.forEach((tier, i) => {
    for (const url of tier) rows.push([`tracker ${i + 1}`, safeText(url)]);
  });
  for (const url of metaInfo.webSeeds) rows.push(['web seed', safeText(url)]);
  for (const node of metaInfo.nodes) rows.push(['DHT node', safeText(peerText(node))]);
  if (metaInfo.comment !== null) rows.push(['comment', safeText(metaInfo.comment)]);
  if (metaInfo.createdBy !== null) rows.push(['created by', safeText(metaInfo.createdBy)]);
  if (metaInfo.createdAt !== null) rows.push(['created at', formatDate(metaInfo.createdAt)]);
  if (metaInfo.isHybrid) rows.push(['version', 'v1 and v2 (the v1 half is used)']);
  return rows;
}

/** Pad files (BEP 47) are nothing that anyone gets. */
function realFiles(metaInfo: MetaInfo): MetaInfo['files'] {
  return metaInfo.files.filter(({ padding }) => !padding);
}

/** UTC without fractions; the number itself for times that no calendar has. */
function formatDate(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z');
}
