import {
  NO_EXTENSIONS,
  readExtendedHandshake,
  writeExtendedHandshake,
} from '../../../src/wire/extension/extended-handshake.ts';
import type { ExtendedHandshake } from '../../../src/wire/extension/extended-handshake.ts';
import type { FakePeer } from './fake-world.ts';

/** The extended messages (BEP 10) of a fake peer, by name. */
export class ExtendedVoice {
  readonly #peer: FakePeer;
  readonly #ids: ReadonlyMap<string, number>;

  /** @param names What the peer understands; it gives them the ids from 40 up. */
  constructor(peer: FakePeer, names: readonly string[], facts: Partial<ExtendedHandshake> = {}) {
    this.#peer = peer;
    this.#ids = new Map(names.map((name, i) => [name, 40 + i]));
    const payload = writeExtendedHandshake({ ...NO_EXTENSIONS, messages: this.#ids, ...facts });
    peer.say((sink) => sink.onExtended(0, payload));
  }

  /** What our engine said of itself. */
  get theirs(): ExtendedHandshake {
    return readExtendedHandshake(this.#peer.payloads.find(({ id }) => id === 0)!.payload)!;
  }

  /** Sends a message, with the id that our engine gave it. */
  say(name: string, payload: Uint8Array): void {
    const id = this.theirs.messages.get(name) ?? 99;
    this.#peer.say((sink) => sink.onExtended(id, payload));
  }

  /** Payloads of this message that were heard and not taken before. */
  heard(name: string): Uint8Array[] {
    const { payloads } = this.#peer;
    const own = payloads.filter(({ id }) => id === this.#ids.get(name));
    for (const each of own) payloads.splice(payloads.indexOf(each), 1);
    return own.map(({ payload }) => payload);
  }
}
