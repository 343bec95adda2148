import { describe, expect, test } from 'vitest';
import type { NameLookup } from '../../src/node/dns.ts';
import { DnsResolver } from '../../src/node/dns.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import type { IpFamily } from '../../src/util/ip.ts';

const NOTHING: NameLookup = () => undefined;

describe('names and addresses', () => {
  test.each([
    ['192.0.2.1', 4, ['192.0.2.1']],
    ['192.0.2.1', 6, []],
    ['2001:DB8:0::1', 6, ['2001:db8::1']],
    ['::1', 4, []],
    ['::ffff:192.0.2.1', 4, ['192.0.2.1']],
    ['localhost', 4, ['127.0.0.1']],
    ['LOCALHOST.', 6, ['::1']],
    ['x.localhost', 4, ['127.0.0.1']],
  ] as const)('that need no looking up: %s over IPv%d', async (host, family, addresses) => {
    const fail: NameLookup = () => {
      throw new Error('looked up');
    };
    const resolver = new DnsResolver(new SystemClock(), { lookup: fail, query: fail });
    expect(await resolve(resolver, host, family)).toEqual(addresses);
  });

  test('are not delivered in the turn of the question', async () => {
    const resolver = new DnsResolver(new SystemClock());
    let delivered = false;
    const answer = new Promise<void>((done) =>
      resolver.resolve('127.0.0.1', 4, () => {
        delivered = true;
        done();
      }),
    );
    expect(delivered).toBe(false);
    await answer;
  });

  test('are not delivered after the question was withdrawn', async () => {
    const { resolver, answer } = manual();
    const seen: string[] = [];
    resolver.resolve('127.0.0.1', 4, () => seen.push('literal')).cancel();
    resolver.resolve('a.example', 4, () => seen.push('name')).cancel();
    resolver.resolve('a.example', 4, () => seen.push('other'));
    answer('a.example', ['192.0.2.1']);
    await resolve(resolver, '127.0.0.1', 4);
    expect(seen).toEqual(['other']);
  });

  test('in odd notations are what the system takes them for', async () => {
    const resolver = new DnsResolver(new SystemClock(), { query: NOTHING });
    expect(await resolve(resolver, '127.1', 4)).toEqual(['127.0.0.1']);
  });

  test('are asked for once while the answer is on its way, and remembered for a minute', async () => {
    const { clock, resolver, asked, answer } = manual();
    const both = Promise.all([resolve(resolver, 'a.example', 4), resolve(resolver, 'a.example', 4)]);
    answer('a.example', ['192.0.2.1', 'nonsense', '192.0.2.2']);
    expect(await both).toEqual([
      ['192.0.2.1', '192.0.2.2'],
      ['192.0.2.1', '192.0.2.2'],
    ]);
    clock.run(59_000);
    expect(await resolve(resolver, 'a.example', 4)).toHaveLength(2);
    expect(asked).toEqual(['a.example']);
    clock.run(61_000);
    resolver.resolve('a.example', 4, () => undefined);
    expect(asked).toEqual(['a.example', 'a.example']);
  });

  test('that failed are asked for again after some seconds', async () => {
    const { clock, resolver, asked, answer } = manual({ query: (_host, _family, done) => done([]) });
    const first = resolve(resolver, 'a.example', 4);
    answer('a.example', []);
    expect(await first).toEqual([]);
    clock.run(4000);
    expect(await resolve(resolver, 'a.example', 4)).toEqual([]);
    clock.run(6000);
    resolver.resolve('a.example', 4, () => undefined);
    expect(asked).toHaveLength(2);
  });
});

describe('a name that nobody answers for', () => {
  test('has no address after ten seconds', () => {
    const clock = new VirtualClock();
    const resolver = new DnsResolver(clock, { lookup: NOTHING, query: NOTHING });
    let answeredAt = 0;
    resolver.resolve('hole.example', 4, () => (answeredAt = clock.now()));
    clock.run(60_000);
    expect(answeredAt).toBe(10_000);
  });

  test('does not keep other names waiting', () => {
    const clock = new VirtualClock();
    let lookups = 0;
    const resolver = new DnsResolver(clock, {
      lookup: () => lookups++,
      query: (host, _family, done) => {
        if (!host.startsWith('hole')) clock.at(clock.now() + 20, () => done(['192.0.2.7']));
      },
    });
    for (let i = 0; i < 10; i++) resolver.resolve(`hole${i}.example`, 4, () => undefined);
    const answers: [number, readonly string[]][] = [];
    resolver.resolve('good.example', 4, (addresses) => answers.push([clock.now(), addresses]));
    clock.run(1000);
    expect(answers).toEqual([[20, ['192.0.2.7']]]);
    expect(lookups).toBe(4);
  });

  test('is asked for over DNS when the system is slow, and the first address wins', () => {
    const clock = new VirtualClock();
    const answers: [number, readonly string[]][] = [];
    const resolver = new DnsResolver(clock, {
      lookup: (_host, _family, done) => clock.at(5000, () => done(['192.0.2.1'])),
      query: (_host, _family, done) => clock.at(clock.now() + 100, () => done(['192.0.2.2'])),
    });
    resolver.resolve('slow.example', 4, (addresses) => answers.push([clock.now(), addresses]));
    clock.run(60_000);
    expect(answers).toEqual([[1600, ['192.0.2.2']]]);
  });

  test('gets the answer of the system when DNS knows nothing: the hosts file has names of its own', () => {
    const clock = new VirtualClock();
    const answers: (readonly string[])[] = [];
    const resolver = new DnsResolver(clock, {
      lookup: (_host, _family, done) => clock.at(3000, () => done(['192.0.2.1'])),
      query: (_host, _family, done) => clock.at(clock.now() + 10, () => done([])),
    });
    resolver.resolve('nas.lan', 4, (addresses) => answers.push(addresses));
    clock.run(60_000);
    expect(answers).toEqual([['192.0.2.1']]);
  });
});

function resolve(resolver: DnsResolver, host: string, family: IpFamily): Promise<readonly string[]> {
  return new Promise((done) => resolver.resolve(host, family, done));
}

/** A resolver whose system look-ups are answered by the test. */
function manual(ways: { query?: NameLookup } = {}) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const open = new Map<string, (addresses: readonly string[]) => void>();
  const lookup: NameLookup = (host, _family, done) => {
    asked.push(host);
    open.set(host, done);
  };
  const resolver = new DnsResolver(clock, { lookup, query: ways.query ?? NOTHING });
  return { clock, resolver, asked, answer: (host: string, found: string[]) => open.get(host)!(found) };
}
