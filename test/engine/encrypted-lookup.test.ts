import { expect, test } from 'vitest';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import { obfuscatedName } from '../../src/wire/mse/negotiation.ts';
import { EngineBench, singleFile } from './support/fake-world.ts';

test('an encrypted handshake finds the torrents that are here, and those only', () => {
  const bench = new EngineBench();
  const [one, other] = [singleFile(3), singleFile(3, 16_384, 'other.bin')];
  const found = ({ metaInfo }: { metaInfo: MetaInfo }): Uint8Array | null =>
    bench.transport.inboundEncryption!.lookup(obfuscatedName(metaInfo.infoHash, sha1));
  expect(found(one)).toBeNull();

  const first = bench.add(one);
  bench.add(other);
  expect(found(one)).toEqual(one.metaInfo.infoHash);
  expect(found(other)).toEqual(other.metaInfo.infoHash);
  expect(bench.transport.inboundEncryption!.lookup(one.metaInfo.infoHash)).toBeNull();

  let removed = false;
  bench.engine.removeTorrent(first, () => (removed = true));
  bench.settle();
  expect(removed).toBe(true);
  expect(found(one)).toBeNull();
  expect(found(other)).toEqual(other.metaInfo.infoHash);

  bench.add(one);
  expect(found(one)).toEqual(one.metaInfo.infoHash);
});
