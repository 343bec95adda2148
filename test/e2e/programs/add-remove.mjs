// add-remove.mjs FOLDER COUNT: adds and removes COUNT torrents, and tells what that left behind.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'torrent-ts';

const [folder, count] = [process.argv[2], Number(process.argv[3])];
const client = await Client.open({
  port: 0,
  host: '127.0.0.1',
  stateDir: join(folder, 'state'),
  dht: false,
  lsd: false,
});
let complete = 0;

// The first round brings the pools and the compiled code to their working size.
await round(20);
const before = await measure();
complete = 0;
await round(count);
const after = await measure();
await client.close();
console.log(
  JSON.stringify({
    heapBefore: before.heap,
    heapAfter: after.heap,
    descriptorsBefore: before.descriptors,
    descriptorsAfter: after.descriptors,
    complete,
  }),
);

async function round(torrents) {
  for (let from = 0; from < torrents; from += 20) {
    const numbers = Array.from({ length: 20 }, (_, i) => from + i);
    const handles = await Promise.all(numbers.map((i) => add(i)));
    await Promise.all(handles.map((handle) => handle.completed()));
    complete += handles.filter((handle) => handle.state === 'seeding').length;
    await Promise.all(handles.map((handle) => client.remove(handle)));
  }
}

function add(i) {
  const dir = join(folder, `data-${i}`);
  return client.add(readFileSync(join(dir, 'made.torrent')), { dir, trust: 'check' });
}

async function measure() {
  // Closing files and ending workers takes turns of the loop.
  await sleep(300);
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await sleep(20);
  }
  return { heap: process.memoryUsage().heapUsed, descriptors: readdirSync('/proc/self/fd').length };
}
