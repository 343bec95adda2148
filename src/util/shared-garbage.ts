/**
 * V8 collects garbage when what its objects hold outside of its heap has grown by 64 MiB or so, and does not count memory
 * that threads share. Nobody would miss what was dropped of that: 20 torrents in turn, with pieces of 4 and of 16 MiB, left
 * 1 GiB behind that way. So after this much it is told of as much that it does count.
 */
export const SHARED_GARBAGE_MAX = 67_108_864;

/** Twice what V8 lets pass. Never touched, so that it takes addresses and no memory. */
const PRESSURE_BYTES = 136_314_880;

/** Shared memory that this thread dropped. */
export class SharedGarbage {
  #bytes = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < SHARED_GARBAGE_MAX) return;
    this.#bytes = 0;
    collectSharedGarbage();
  }
}

/** Has V8 look for garbage of this thread soon. @returns How much it was told of, bytes. */
export function collectSharedGarbage(): number {
  try {
    return new ArrayBuffer(PRESSURE_BYTES).byteLength;
  } catch (error) {
    // V8 has collected all that there is before it says that there is no room.
    if (error instanceof RangeError) return 0;
    throw error;
  }
}
