/**
 * The stream cipher RC4, which message stream encryption uses. It hides the protocol from boxes that slow BitTorrent down
 * and keeps no secret: the info hash is the key, and RC4 itself is broken (RFC 7465). OpenSSL 3 has it switched
 * off, so it is written out here.
 */
export class Rc4 {
  readonly #state = new Uint8Array(256);
  #i = 0;
  #j = 0;

  /** @param key 1 to 256 bytes. */
  constructor(key: Uint8Array) {
    const state = this.#state;
    for (let i = 0; i < 256; i++) state[i] = i;
    for (let i = 0, j = 0; i < 256; i++) {
      const a = state[i]!;
      j = (j + a + key[i % key.length]!) & 0xff;
      state[i] = state[j]!;
      state[j] = a;
    }
  }

  /** Enciphers or deciphers `bytes` in place: both are the same. */
  apply(bytes: Uint8Array): void {
    const state = this.#state;
    let i = this.#i;
    let j = this.#j;
    for (let at = 0; at < bytes.length; at++) {
      i = (i + 1) & 0xff;
      const a = state[i]!;
      j = (j + a) & 0xff;
      const b = state[j]!;
      state[i] = b;
      state[j] = a;
      bytes[at]! ^= state[(a + b) & 0xff]!;
    }
    this.#i = i;
    this.#j = j;
  }

  /** Moves on by `count` bytes of key stream. */
  discard(count: number): void {
    this.apply(new Uint8Array(count));
  }
}
