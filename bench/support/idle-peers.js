// idle-peers.js PORT COUNT INFO_HASH: COUNT peers that connect, have nothing, want nothing and say nothing more. Prints a line
// when all of them are past their handshake.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';

const [port, count, infoHash] = process.argv.slice(2);
const AT_ONCE = 50;
const HANDSHAKE_BYTES = 68;
const reserved = Buffer.from('0000000000100004', 'hex'); // BEP 10, BEP 6
const extended = Buffer.from('d1:md11:ut_metadatai2eee');
const haveNone = Buffer.from([0, 0, 0, 1, 15]);

for (let next = 0; next < Number(count);) {
  const few = Math.min(AT_ONCE, Number(count) - next);
  await Promise.all(Array.from({ length: few }, () => join(next++)));
}
process.stdout.write('connected\n');

function join(number) {
  const socket = connect(Number(port), '127.0.0.1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(extended.length + 2);
  const peerId = Buffer.from(`-XX0000-${String(number).padStart(12, '0')}`);
  socket.write(
    Buffer.concat([Buffer.from('\x13BitTorrent protocol'), reserved, Buffer.from(infoHash, 'hex'), peerId]),
  );
  socket.write(Buffer.concat([length, Buffer.from([20, 0]), extended, haveNone]));
  return new Promise((resolve, reject) => {
    let heard = 0;
    socket.on('data', (data) => {
      heard += data.length;
      if (heard > HANDSHAKE_BYTES) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`peer ${number} was turned away`)));
  });
}
