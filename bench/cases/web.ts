/** A torrent whose only source is a web server (BEP 19), beside curl, which takes the same file from it and checks nothing. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ours } from '../support/clients.ts';
import { isCopy, makeContent, type Content } from '../support/content.ts';
import { versionOf, type Hosts } from '../support/hosts.ts';
import { measure, startServer, stop } from '../support/processes.ts';
import { medianRow, type Row } from '../support/report.ts';

const PORT = 46_990;
const MIB = 1_048_576;

/** Nothing where nginx or curl is missing. */
export async function web(
  { dir, name }: Content,
  runs: number,
  hosts: Hosts,
  folder: string,
): Promise<Row[]> {
  if (versionOf('nginx', '-v') === null || versionOf('curl', '--version') === null) return [];
  const url = `http://${hosts.seed.ip}:${PORT}/${name}`;
  const content = await makeContent(dir, name, MIB, null, [url]);
  const copy = join(folder, 'copy');
  const place = { torrent: content.torrent, dir: copy, ip: hosts.leech.ip, port: 0, peers: [] };
  const commands: Record<string, readonly string[]> = {
    'torrent-ts': ours.leech(place),
    curl: ['curl', '--silent', '--output', join(copy, name), url],
  };
  const results = new Map<string, Row[]>(Object.keys(commands).map((who) => [who, []]));
  const server = startServer([...hosts.seed.prefix, 'nginx', '-c', configure(folder, dir, hosts.seed.ip)], {
    log: join(folder, 'logs', 'nginx'),
  });
  try {
    for (let run = 0; run < runs; run++) {
      for (const [who, command] of Object.entries(commands)) {
        rmSync(copy, { recursive: true, force: true });
        mkdirSync(copy);
        const { seconds, cpuSeconds, peakMiB, status } = await measure([...hosts.leech.prefix, ...command], {
          log: join(folder, 'logs', 'web'),
          env: { TORRENT_TS_STATE_DIR: join(folder, 'state') },
        });
        const figures = {
          'MB/s': content.bytes / 1e6 / seconds,
          'CPU s/GiB': (cpuSeconds * 2 ** 30) / content.bytes,
          'peak MiB': peakMiB,
        };
        const ok = status === 0 && isCopy(content, copy);
        results.get(who)!.push({ what: 'from a web server alone (nginx)', who, figures, ok });
      }
    }
  } finally {
    await stop(server);
  }
  return [...results.values()].map(medianRow);
}

function configure(folder: string, root: string, ip: string): string {
  const path = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    path,
    `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  ${temporary.map((each) => `${each}_temp_path ${folder}/nginx-${each};`).join('\n  ')}
  server { listen ${ip}:${PORT}; root ${root}; }
}
`,
  );
  return path;
}
