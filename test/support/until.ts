/**
 * Lets the event loop turn until the condition holds. False after `timeoutMs`, which only a failing test ever waits
 * for.
 */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return true;
}
