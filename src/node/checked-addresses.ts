import { TrackerError } from '../errors.ts';
import type { Resolver } from '../ports.ts';
import { noAddressError } from '../tracker/announce.ts';
import type { IpFamily } from '../util/ip.ts';
import { isDialable } from '../util/ip.ts';
import { addressDepth, type AddressDepth } from './address-depth.ts';
import { hostOf } from './http-urls.ts';

/**
 * The addresses of a URL's host that may be connected to. Whoever connects must use these and not look the name up
 * again: the second answer could be another one.
 */
export class CheckedAddresses {
  readonly #resolver: Resolver;
  /** How far inside an address is. */
  readonly depthOf: (address: string) => AddressDepth;

  /** @param depthOf Given by tests, which have no outside. */
  constructor(resolver: Resolver, depthOf: (address: string) => AddressDepth = addressDepth) {
    this.#resolver = resolver;
    this.depthOf = depthOf;
  }

  /**
   * @param subject The URL that an error is about.
   * @param depthMax Addresses further inside are refused.
   * @throws TrackerError if no address is left, or the signal's reason.
   */
  async of(
    url: URL,
    subject: string,
    depthMax: AddressDepth,
    signal: AbortSignal,
    families: readonly IpFamily[] = [4, 6],
  ): Promise<string[]> {
    const host = hostOf(url);
    const found = await Promise.all(families.map((family) => this.#resolve(host, family, signal)));
    const dialable = found.flat().filter((address) => isDialable({ host: address, port: 1 }));
    if (dialable.length === 0) throw noAddressError(subject, families[0]!);
    const allowed = dialable.filter((address) => this.depthOf(address) <= depthMax);
    if (allowed.length === 0) throw new TrackerError('a local address, which is refused', subject);
    return allowed;
  }

  #resolve(host: string, family: IpFamily, signal: AbortSignal): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const lookup = this.#resolver.resolve(host, family, (addresses) => {
        signal.removeEventListener('abort', onAbort);
        resolve(addresses);
      });
      const onAbort = (): void => {
        lookup.cancel();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
