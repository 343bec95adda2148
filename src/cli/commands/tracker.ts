import type { Context } from '../context.ts';
import { CliError, EXIT, errorCode } from '../exit-codes.ts';

export interface TrackerFlags {
  readonly host?: string;
  readonly port: number;
  /** Default: the same number as `port`. */
  readonly udpPort?: number;
  /** False for `--no-udp`. */
  readonly udp?: boolean;
}

/** `torrent-ts tracker`: runs until a signal; resolves to the exit code. */
export async function tracker(context: Context, flags: TrackerFlags): Promise<number> {
  const { TrackerServer } = await context.library();
  const { terminal, interrupt } = context;
  const server = await TrackerServer.open({
    ...(flags.host === undefined ? {} : { host: flags.host }),
    httpPort: flags.port,
    udpPort: flags.udp === false ? false : (flags.udpPort ?? flags.port),
  }).catch((error: unknown) => {
    if (errorCode(error) !== 'ERR_LISTEN' && errorCode(error) !== 'EADDRINUSE') throw error;
    throw new CliError(`port ${flags.port} is in use; choose another with --port`, EXIT.bug, {
      cause: error,
      code: 'ERR_LISTEN',
    });
  });
  const urls = [server.httpUrl, server.udpUrl].filter((url) => url !== null);
  if (terminal.json) terminal.event({ event: 'tracker', urls });
  else for (const url of urls) terminal.result(url);
  terminal.note('tracking; Ctrl-C ends it');
  await new Promise<void>((resolve) => {
    if (interrupt.signal.aborted) resolve();
    else interrupt.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.close();
  return EXIT.done;
}
