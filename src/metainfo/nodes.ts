import { isList, readList } from '../bencode/fields.ts';
import type { BencodeDict } from '../bencode/value.ts';
import { toTextStrict } from '../util/bytes.ts';
import { hostPortOf, type HostPort } from '../util/host-port.ts';
import { NODES_MAX } from './limits.ts';

/** Longer than any name of the DNS. */
const HOST_BYTES_MAX = 512;

/** The `nodes` of a .torrent (BEP 5): `[["127.0.0.1", 6881], ["router.example", 4804]]`. Bad ones are left out. */
export function readNodes(root: BencodeDict): readonly HostPort[] {
  const nodes = new Map<string, HostPort>();
  for (const item of readList(root, 'nodes') ?? []) {
    if (nodes.size >= NODES_MAX) break;
    const [host, port] = isList(item) ? item : [];
    if (!(host instanceof Uint8Array) || host.length > HOST_BYTES_MAX || typeof port !== 'number') continue;
    const node = hostPortOf(toTextStrict(host) ?? '', port);
    if (node) nodes.set(`${node.host} ${node.port}`, Object.freeze(node));
  }
  return Object.freeze([...nodes.values()]);
}
