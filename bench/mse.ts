import { randomBytes } from 'node:crypto';
import { Bench } from 'tinybench';
import { DiffieHellmanExchange, PRIVATE_KEY_LENGTH } from '../src/wire/mse/dh.ts';
import { Rc4 } from '../src/wire/mse/rc4.ts';

/**
 * What encryption costs: a block enciphered, as it comes in and as it goes out, and one side's key exchange.
 *
 * Run: `node bench/mse.ts` (Node 22.18 or later reads TypeScript itself).
 */

const BLOCK_LENGTH = 16_384;
const block = new Uint8Array(BLOCK_LENGTH);
const cipher = new Rc4(randomBytes(20));
const theirs = new DiffieHellmanExchange(randomBytes(PRIVATE_KEY_LENGTH)).publicKey();

const bench = new Bench({ time: 1_000 });
bench
  .add('RC4, a block in place', () => cipher.apply(block))
  .add('RC4, a copy of a block', () => cipher.apply(block.slice()))
  .add('key exchange', () => {
    const exchange = new DiffieHellmanExchange(randomBytes(PRIVATE_KEY_LENGTH));
    exchange.publicKey();
    exchange.secret(theirs);
  });
await bench.run();
for (const { name, result } of bench.tasks) {
  if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
  const perSecond = 1_000 / result.latency.mean;
  const rate = name.startsWith('RC4') ? `, ${((perSecond * BLOCK_LENGTH) / 1e6).toFixed(0)} MB/s` : '';
  console.log(`${name}: ${(result.latency.mean * 1_000).toFixed(1)} µs${rate}`);
}
