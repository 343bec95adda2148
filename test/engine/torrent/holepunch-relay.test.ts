import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/util/ip.ts';
import {
  HolepunchError,
  readHolepunch,
  UT_HOLEPUNCH,
  writeHolepunch,
  type HolepunchMessage,
} from '../../../src/wire/extension/ut-holepunch.ts';
import { ExtendedVoice } from '../support/extended-peer.ts';
import { EngineBench, singleFile } from '../support/fake-world.ts';

const torrent = singleFile(4);

function relay() {
  const bench = new EngineBench();
  bench.add(torrent);
  bench.settle();
  const join = (host: string, names = [UT_HOLEPUNCH], port: number | null = 7000) => {
    const peer = bench.inbound(torrent, { host, port: 555 });
    const voice = new ExtendedVoice(peer, names, { port, yourIp: '5.5.5.5' });
    const heard = () => voice.heard(UT_HOLEPUNCH).map((payload) => readHolepunch(payload));
    const say = (message: Partial<HolepunchMessage> & { to: string }) =>
      voice.say(
        UT_HOLEPUNCH,
        writeHolepunch({ type: message.type ?? 'rendezvous', peer: parseAddress(message.to)!, error: 0 }),
      );
    return { peer, heard, say };
  };
  return { bench, join };
}

const connect = (text: string) => ({ type: 'connect', peer: parseAddress(text), error: 0 });
const refusal = (text: string, error: number) => ({ type: 'error', peer: parseAddress(text), error });

describe('the relay of a holepunch (BEP 55)', () => {
  test('tells both to connect to each other, with the endpoint of the other', () => {
    const { join } = relay();
    const a = join('9.0.0.1');
    const b = join('9.0.0.2');
    a.say({ to: '9.0.0.2:7000' });
    expect(a.heard()).toEqual([connect('9.0.0.2:7000')]);
    expect(b.heard()).toEqual([connect('9.0.0.1:7000')]);
  });

  test('knows a peer by where it dialled from too', () => {
    const { join } = relay();
    const a = join('9.0.0.1');
    const b = join('9.0.0.2', [UT_HOLEPUNCH], null);
    a.say({ to: '9.0.0.2:555' });
    expect(a.heard()).toEqual([connect('9.0.0.2:555')]);
    b.say({ to: '9.0.0.1:7000' });
    expect(a.heard()).toEqual([connect('9.0.0.2:555')]);
  });

  test('says why it cannot', () => {
    const { join } = relay();
    const a = join('9.0.0.1');
    join('9.0.0.3', []);
    const answers = (to: string) => {
      a.say({ to });
      return a.heard();
    };
    expect(answers('9.0.0.9:1')).toEqual([refusal('9.0.0.9:1', HolepunchError.notConnected)]);
    expect(answers('9.0.0.3:7000')).toEqual([refusal('9.0.0.3:7000', HolepunchError.noSupport)]);
    expect(answers('224.0.0.1:1')).toEqual([refusal('224.0.0.1:1', HolepunchError.noSuchPeer)]);
    expect(answers('9.0.0.1:7000')).toEqual([refusal('9.0.0.1:7000', HolepunchError.noSuchPeer)]);
    expect(answers('5.5.5.5:6881')).toEqual([refusal('5.5.5.5:6881', HolepunchError.noSelf)]);
  });

  test('leads nobody into another network', () => {
    const { join } = relay();
    const stranger = join('9.0.0.1');
    const neighbour = join('192.168.1.5');
    stranger.say({ to: '192.168.1.5:7000' });
    expect(stranger.heard()).toEqual([refusal('192.168.1.5:7000', HolepunchError.noSuchPeer)]);
    expect(neighbour.heard()).toEqual([]);
  });

  test('does not answer who does not offer the extension, nor what is no rendezvous', () => {
    const { bench, join } = relay();
    const a = join('9.0.0.1', []);
    const b = join('9.0.0.2');
    a.say({ to: '9.0.0.2:7000' });
    b.say({ to: '9.0.0.9:1', type: 'connect' });
    b.say({ to: '9.0.0.9:1', type: 'error' });
    expect([a.heard(), b.heard(), bench.transport.dials]).toEqual([[], [], []]);
  });

  test('grows tired of one that asks on and on', () => {
    const { bench, join } = relay();
    const a = join('9.0.0.1');
    for (let i = 0; i < 100; i++) a.say({ to: '9.0.0.9:1' });
    expect(a.heard()).toHaveLength(30);
    bench.seconds(61);
    a.say({ to: '9.0.0.9:1' });
    expect(a.heard()).toHaveLength(1);
    for (let i = 0; i < 300; i++) a.say({ to: '9.0.0.9:1' });
    expect(a.peer.reason).toBe('message-flood');
  });
});
