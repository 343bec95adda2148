import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import type { Host } from '../network.ts';
import { needsCommand, PEER_PORT, type Client, type Job, type Running } from './client.ts';

const RPC_PORT = 9091;

/** The Transmission daemon, driven by transmission-remote. It dials its first peer some ten seconds after its start. */
export const transmission: Client = client('transmission', 1);

/** The same, but it speaks no plain, and all is RC4. */
export const encryptedTransmission: Client = client('transmission with required encryption', 2);

/** The same, but it exchanges peers (BEP 11). @param downLimit Bytes per second. */
export function exchangingTransmission(downLimit?: number): Client {
  return client('transmission that exchanges peers', 1, {
    'pex-enabled': true,
    'speed-limit-down-enabled': downLimit !== undefined,
    'speed-limit-down': Math.ceil((downLimit ?? 0) / 1000),
  });
}

/** @param encryption 1 for preferred, which is its default, 2 for required. */
function client(name: string, encryption: 1 | 2, settings: object = {}): Client {
  return {
    name,
    omitsEmptyFiles: true,

    check() {
      needsCommand('transmission-daemon', 'apt-get install -y transmission-daemon');
      needsCommand('transmission-remote', 'apt-get install -y transmission-cli');
    },

    async seed(job) {
      const running = await start(job, encryption, settings);
      await remote(job.host, '--torrent', '1', '--verify');
      await running.complete(30_000);
      return running;
    },

    download: (job) => start(job, encryption, settings),
  };
}

async function start(job: Job, encryption: 1 | 2, settings: object): Promise<Running> {
  writeFileSync(
    join(job.scratch, 'settings.json'),
    JSON.stringify({
      encryption,
      'dht-enabled': job.dht !== undefined,
      'lpd-enabled': false,
      'pex-enabled': false,
      'utp-enabled': false,
      'port-forwarding-enabled': false,
      'peer-port': PEER_PORT,
      'rpc-port': RPC_PORT,
      'rpc-whitelist-enabled': false,
      'rename-partial-files': false,
      'ratio-limit-enabled': false,
      'idle-seeding-limit-enabled': false,
      'speed-limit-up-enabled': job.upLimit !== undefined,
      'speed-limit-up': Math.ceil((job.upLimit ?? 0) / 1000),
      ...settings,
    }),
  );
  writeFileSync(
    join(job.scratch, 'dht.bootstrap'),
    (job.dht ?? []).map((node) => `${node.replace(':', ' ')}\n`).join(''),
  );
  const child = job.host.start(
    'transmission-daemon',
    ['--foreground', '--config-dir', job.scratch, '--download-dir', job.dir],
    { env: { HOME: job.scratch } },
  );
  await eventually('transmission-daemon takes the torrent', async () => {
    try {
      return await remote(job.host, '--add', job.torrentFile);
    } catch (error) {
      // Its RPC server is not up yet.
      if (!String(error).includes('ended with 1')) throw error;
      return null;
    }
  });
  return {
    child,
    async complete(timeoutMs) {
      await eventually(
        'transmission has everything',
        async () => {
          const info = await remote(job.host, '--torrent', '1', '--info');
          return /^\s*Percent Done: 100%/m.test(info) && !/^\s*State: Verify/m.test(info) ? info : null;
        },
        timeoutMs,
        250,
      );
    },
  };
}

function remote(host: Host, ...args: string[]): Promise<string> {
  return host.run('transmission-remote', [String(RPC_PORT), ...args]);
}
