import { describe, expect, test } from 'vitest';
import type { HttpRequest, HttpResponse } from '../../src/ports.ts';
import { TrackerError } from '../../src/errors.ts';
import { SimHttp, type WebServer } from '../../src/sim/sim-http.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SimTracker } from '../../src/sim/sim-tracker.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { Rng } from '../../src/util/rng.ts';

const ECHO: WebServer = {
  latencyMs: 40,
  answer: (target, from) => ({ status: 200, body: new TextEncoder().encode(`${target} ${from}`) }),
};

describe('the simulated web', () => {
  test('answers after a round trip, and the server sees the path and who asks', () => {
    const { clock, get } = client();
    const result = get({ url: 'http://echo.sim:80/a?b=c' });
    expect(result.value).toBeUndefined();
    clock.run(99.9);
    expect(result.value).toBeUndefined();
    clock.run(100);
    expect(new TextDecoder().decode((result.value as HttpResponse).body)).toBe('/a?b=c 11.0.0.1');
  });

  test('fails with an error for what is not there, too large, too late, or of another family', () => {
    const { clock, get } = client();
    const requests: Partial<HttpRequest>[] = [
      { url: 'http://nobody.sim/' },
      { url: 'ftp://echo.sim:80/' },
      { url: 'http://echo.sim:80/', maxBytes: 3 },
      { url: 'http://echo.sim:80/', timeoutMs: 99 },
      { url: 'http://echo.sim:80/', family: 6 },
    ];
    const results = requests.map((request) => get(request));
    expect(results.every(({ value }) => value === undefined)).toBe(true);
    clock.run(Infinity);
    for (const { value } of results) expect(value).toBeInstanceOf(TrackerError);
  });

  test('does not answer a request that was cancelled, at any time', () => {
    const { clock, get } = client();
    for (const time of [0, 50, 99]) {
      const result = get({ url: 'http://echo.sim:80/' });
      const start = clock.now();
      clock.run(start + time);
      result.cancel();
      clock.run(start + 1000);
      expect(result.value).toBeUndefined();
    }
  });
});

describe('the simulated tracker', () => {
  test('answers announces in the words of the protocol, and names the others', () => {
    const clock = new VirtualClock();
    const tracker = new SimTracker(clock, new Rng(1), { intervalSeconds: 600 });
    const announce = (peer: number) => {
      const query = `info_hash=${'h'.repeat(20)}&peer_id=${String(peer).repeat(20)}&port=${6000 + peer}&left=5`;
      const { status, body } = tracker.answer(`/announce?${query}`, `11.0.0.${peer}`);
      expect(status).toBe(200);
      return Buffer.from(body).toString('latin1');
    };
    expect(announce(1)).toContain('8:intervali600e');
    expect(announce(2)).toContain('5:peers6:\x0b\x00\x00\x01\x17\x71');
    expect(tracker.announces).toBe(2);
  });

  test('forgets peers that it does not hear of any more', () => {
    const clock = new VirtualClock();
    const tracker = new SimTracker(clock, new Rng(1), { intervalSeconds: 60 });
    const target = `/announce?info_hash=${'h'.repeat(20)}&peer_id=${'p'.repeat(20)}&port=6881&left=0`;
    tracker.answer(target, '11.0.0.1');
    clock.run(600_000);
    const { body } = tracker.answer(target.replace('left=0', 'left=1'), '11.0.0.2');
    expect(Buffer.from(body).toString('latin1')).toContain('5:peers0:');
  });

  test('that is down answers with an error', () => {
    const tracker = new SimTracker(new VirtualClock(), new Rng(1));
    tracker.isUp = false;
    expect(tracker.answer('/announce', '11.0.0.1').status).toBe(503);
  });
});

function client() {
  const clock = new VirtualClock();
  const process = new SimNetwork(clock).addHost({ ip: '11.0.0.1', latencyMs: 10 }).start();
  const http = new SimHttp(new Map([['echo.sim:80', ECHO]]), process);
  const get = (request: Partial<HttpRequest>) => {
    const whole: HttpRequest = { url: '', timeoutMs: 10_000, maxBytes: 1000, refuseLocal: false, ...request };
    const result: { value?: HttpResponse | TrackerError; cancel: () => void } = { cancel: () => {} };
    const cancel = http.get(whole, (value) => (result.value = value));
    result.cancel = () => cancel.cancel();
    return result;
  };
  return { clock, get };
}
