/**
 * What a user gets: whole transfers between processes, creating and checking, crowds and limits. Prints a table and writes
 * JSON.
 *
 * Run: `npm run bench` for ours alone, `npm run bench:peers` beside the other clients that are installed. For a quick look
 * `npm run bench -- --mib 256 --runs 1 --only transfer`. `--clients libtorrent-tuned,aria2` leaves out the others.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAndVerify } from './cases/create.ts';
import { crowd, oursForAll } from './cases/crowd.ts';
import { idle, idleConnections } from './cases/idle.ts';
import { limits } from './cases/limit.ts';
import { TRACKER_PORT, transfers, type Transfer } from './cases/transfer.ts';
import { web } from './cases/web.ts';
import { others, ours } from './support/clients.ts';
import { makeContent, makeFile, makeFolder, makeWorkFolder } from './support/content.ts';
import { loopback, ownHosts } from './support/hosts.ts';
import { machine, printTable, writeResults, type Row } from './support/report.ts';

const CASES = ['transfer', 'seed', 'shapes', 'web', 'crowd', 'limit', 'create', 'idle'] as const;
type Case = (typeof CASES)[number];

const { values } = parseArgs({
  options: {
    peers: { type: 'boolean', default: false },
    mib: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: [...CASES] },
    torrents: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '2000' },
    clients: { type: 'string' },
    output: { type: 'string' },
  },
});
const runs = Number(values.runs);
const only = new Set(values.only.flatMap((text) => text.split(',')));
const wanted = (name: Case): boolean => only.has(name);

const hosts = (values.peers ? ownHosts() : null) ?? loopback();
const named = values.clients?.split(',') ?? others.map(({ name }) => name);
const clients = values.peers
  ? others.filter((client) => named.includes(client.name) && client.version() !== null)
  : [];
console.log(
  Object.entries(machine())
    .map(([name, value]) => `${name}: ${value}`)
    .join(', '),
);
if (values.peers) {
  console.log(`transfers over ${hosts.kind}`);
  for (const client of others) console.log(`  ${client.name}: ${client.version() ?? 'missing'}`);
}
const rivals = clients.filter((client) => client.needsHosts !== true || hosts.kind !== 'loopback');
const libtorrent = rivals.find(({ name }) => name === 'libtorrent-tuned') ?? null;

const folder = makeWorkFolder();
const data = join(folder, 'data');
mkdirSync(data);
mkdirSync(join(folder, 'logs'));
const tracker = `http://${hosts.seed.ip}:${TRACKER_PORT}/announce`;
const MIB = 1_048_576;
const size = Number(values.mib) * MIB;
makeFile(join(data, 'file'), size);
const content = await makeContent(data, 'file', MIB, tracker);

const rows: Row[] = [];
const add = (found: readonly Row[]): void => {
  rows.push(...found);
  printTable(found);
};
if (wanted('transfer')) {
  const seeder = libtorrent ?? ours;
  const what = `download ${values.mib} MiB from one seeder (${seeder.name})`;
  add(await transfers([{ what, content, seeder, leeches: [ours, ...rivals] }], runs, hosts, folder));
}
if (wanted('seed')) add(await transfers(seeding(), runs, hosts, folder));
if (wanted('shapes')) add(await transfers(await shapes(), runs, hosts, folder));
if (wanted('web')) add(await web(content, runs, hosts, folder));
if (wanted('crowd'))
  add(await crowd(content, [oursForAll, ...(libtorrent ? [libtorrent] : [])], runs, folder));
if (wanted('limit')) add(await limits(content, Math.min(runs, 3), folder));
if (wanted('create')) add(await createAndVerify(content, runs, folder));
if (wanted('idle')) {
  add(await idle(Number(values.torrents), folder));
  add([await idleConnections(Number(values.connections), folder)]);
}
const command = `npm run ${values.peers ? 'bench:peers' : 'bench'} -- ${process.argv
  .slice(2)
  .filter((argument) => argument !== '--peers')
  .join(' ')}`;
const name = values.peers ? 'peers' : 'ours';
console.log(`\n${writeResults(values.output ?? `bench/results/${name}.local.json`, command, runs, rows)}`);
process.exit(rows.every((row) => row.ok) ? 0 : 1);

/** Who feeds a given downloader best. */
function seeding(): Transfer[] {
  const leech = libtorrent ?? ours;
  const seeders = [ours, ...rivals.filter(({ name }) => name !== 'libtorrent')];
  return seeders.map((seeder) => ({
    what: `seed ${values.mib} MiB to one downloader, by ${seeder.name}`,
    content,
    seeder,
    leeches: seeder === ours && leech !== ours ? [leech, ours] : [leech],
  }));
}

async function shapes(): Promise<Transfer[]> {
  const leeches = [ours, ...(libtorrent ? [libtorrent] : [])];
  const seeder = libtorrent ?? ours;
  const files = Math.max(1, Math.floor(size / (200 * 1024)));
  makeFolder(join(data, 'files'), Math.min(5_000, files), 200 * 1024);
  return [
    { what: 'from 4 seeders', content, seeder, leeches, seeders: 4 },
    {
      what: 'pieces of 256 KiB',
      content: await makeContent(data, 'file', MIB / 4, tracker),
      seeder,
      leeches,
    },
    {
      what: 'pieces of 16 MiB',
      content: await makeContent(data, 'file', 16 * MIB, tracker),
      seeder,
      leeches,
    },
    { what: 'files of 200 KiB', content: await makeContent(data, 'files', MIB, tracker), seeder, leeches },
  ];
}
