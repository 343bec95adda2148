import type { Cancel, MulticastPort } from '../../../src/ports.ts';

/** A local network on which others speak when the test says so. */
export class FakeGroup implements MulticastPort {
  sent = 0;
  #receiver: Parameters<MulticastPort['onMessage']>[0] | null = null;

  get isHeard(): boolean {
    return this.#receiver !== null;
  }

  send(): void {
    this.sent++;
  }

  onMessage(receiver: Parameters<MulticastPort['onMessage']>[0]): Cancel {
    this.#receiver = receiver;
    return { cancel: () => (this.#receiver = null) };
  }

  say(bytes: Uint8Array): void {
    this.#receiver?.(bytes, { host: '10.7.7.7', port: 55_555 });
  }
}
