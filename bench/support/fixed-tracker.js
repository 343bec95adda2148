// fixed-tracker.js HOST PORT PEER...: a tracker that gives everyone the same peers. A process of its own, so that it can
// run on another host than who measures.
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';

const [host, port, ...peers] = process.argv.slice(2);
const compact = Buffer.concat(
  peers.map((peer) => {
    const [ip, peerPort] = peer.split(':');
    return Buffer.from([...ip.split('.').map(Number), Number(peerPort) >> 8, Number(peerPort) & 255]);
  }),
);
const answer = Buffer.concat([
  Buffer.from(`d8:completei1e10:incompletei1e8:intervali60e12:min intervali30e5:peers${compact.length}:`),
  compact,
  Buffer.from('e'),
]);
createServer((_, response) => response.end(answer)).listen(Number(port), host);
