import { StorageError } from '../errors.ts';
import type { ResolvedOptions } from '../options.ts';
import type { World } from '../ports.ts';
import { readU32 } from '../util/bytes.ts';
import { DiskPool } from './disk-pool.ts';
import { DnsResolver } from './dns.ts';
import { nodeEd25519 } from './ed25519.ts';
import { SystemEntropy } from './entropy.ts';
import { fileStorageFactory } from './file-storage.ts';
import { HttpClient } from './http-client.ts';
import { LsdSocket } from './lsd-socket.ts';
import { resumeFiles, type ReadRecord } from './resume-files.ts';
import { SystemClock } from './system-clock.ts';
import { TcpTransport } from './tcp-transport.ts';
import { UdpHub } from './udp-hub.ts';
import { WebRanges } from './web-ranges.ts';
import { VERSION } from '../version.ts';

/** Where BitTorrent clients have always listened first. */
const PORT_DEFAULT = 6881;

/** The real world, and how to leave it. */
export interface NodeWorld extends World {
  close(): Promise<void>;
}

/** @throws ListenError if a port was asked for that cannot be had. */
export async function openNodeWorld(options: ResolvedOptions, stateDir: string | null): Promise<NodeWorld> {
  // A client that is open keeps the process alive until it is closed.
  const clock = new SystemClock({ keepAlive: true });
  const pool = new DiskPool();
  pool.warmUp();
  const entropy = new SystemEntropy();
  const resolver = new DnsResolver(clock);
  const transport = await TcpTransport.open({
    clock,
    port: options.port === false ? null : (options.port ?? PORT_DEFAULT),
    host: options.host,
    orAnyPort: options.port === null,
  });
  // The same number as TCP, because many clients take a peer's address for that of its node, and the other way round.
  const datagrams = new UdpHub({ port: transport.listenPort, host: options.host });
  const multicast = options.lsd ? new LsdSocket({ host: options.host }) : null;
  const http = new HttpClient({ resolver, version: VERSION });
  const web = new WebRanges({ resolver, version: VERSION });
  return {
    clock,
    entropy,
    seed: options.seed ?? readU32(entropy.bytes(4), 0),
    transports: [transport],
    datagrams,
    ...(multicast && { multicast }),
    http,
    web,
    resolver,
    ed25519: nodeEd25519,
    storage: fileStorageFactory(pool),
    resume: stateDir === null ? null : resumeFiles(stateDir, recordReader(pool)),
    async close() {
      multicast?.close();
      web.close();
      await Promise.all([transport.close(), datagrams.close(), pool.close()]);
    },
  };
}

/** Thousands of records are read when thousands of torrents start: a thread takes many at a time. */
function recordReader(pool: DiskPool): ReadRecord {
  return (path, bytesMax, done) => {
    pool.run({ kind: 'load', path, bytesMax }, (result) => {
      if (result instanceof StorageError) done(result, null);
      else done(null, result);
    });
  };
}
