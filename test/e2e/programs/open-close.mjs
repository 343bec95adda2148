// open-close.mjs FOLDER: opens a client, seeds a torrent, closes it, and must then end by itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'torrent-ts';

const dir = join(process.argv[2], 'data-0');
const client = await Client.open({ port: 0, host: '127.0.0.1', stateDir: false, dht: false, lsd: false });
const handle = await client.add(readFileSync(join(dir, 'made.torrent')), { dir });
await handle.completed();
await client.close();
await client.close();
console.log('closed');
