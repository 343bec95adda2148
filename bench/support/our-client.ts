// our-client.js OPTIONS: a client of ours in a process of its own, with what the command line has no flags for. OPTIONS is
// JSON. It prints what it is told to measure, as JSON.
import { Client, type ClientOptions } from '../../src/index.ts';

interface Order {
  readonly client: ClientOptions;
  readonly torrent: string;
  readonly dir: string;
  readonly peers?: readonly { host: string; port: number }[];
  /** Print the bytes downloaded in so many seconds after the first one, and leave. 0: serve until ended. -1: until all is here. */
  readonly measureSeconds: number;
}

const order = JSON.parse(process.argv[2]!) as Order;
const client = await Client.open({ stateDir: false, dht: false, lsd: false, ...order.client });
const torrent = await client.add(order.torrent, { dir: order.dir, peers: order.peers ?? [] });
process.once('SIGTERM', () => void client.close().then(() => process.exit(0)));
if (order.measureSeconds !== 0) {
  const isWhole = order.measureSeconds < 0;
  while (torrent.stats.downloaded === 0) await pause(1);
  if (!isWhole) await pause(1_000);
  const before = torrent.stats.downloaded;
  const cpu = process.cpuUsage();
  const start = performance.now();
  if (isWhole) await torrent.completed();
  else await pause(1_000 * order.measureSeconds);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const bytes = torrent.stats.downloaded - before;
  process.stdout.write(JSON.stringify({ bytes, seconds, cpuSeconds: (user + system) / 1e6 }));
  await client.close();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
