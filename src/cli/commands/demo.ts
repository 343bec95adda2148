import type { Context } from '../context.ts';

export interface DemoFlags {
  /** Bytes. */
  readonly size: number;
  readonly keep?: boolean;
}

export function demo(context: Context, flags: DemoFlags): Promise<number> {
  throw new Error(`demo of ${flags.size} ${String(context.terminal.json)}`);
}
