/** A broken promise of our own code; never raised by bytes from outside. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** States what only a bug can break. Give the values in the message. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
