import { connect, createServer, Socket, type AddressInfo, type Server } from 'node:net';
import type { OnRead } from './tcp-stream.ts';

/**
 * Reading into a buffer of our own (`onread`) is an option of sockets we make, which servers do not pass on to those
 * they accept. It saves an allocation of 64 KiB per read, so we take the handle out of an accepted socket and make a
 * new socket around it. That leans on two private parts of Node, `_handle` and the `handle` option. Hence the self-test:
 * if it does not work to the letter in this version of Node, accepted sockets are read the ordinary way.
 */

/** Longer than any working loopback takes. */
const SELF_TEST_TIMEOUT_MS = 1_000;

/** A new socket in place of an accepted one that was not read from yet (`pauseOnConnect`), reading into a buffer. */
export function withOwnBuffer(accepted: Socket, onread: OnRead): Socket {
  const shell = accepted as unknown as { _handle: unknown };
  const handle = shell._handle;
  shell._handle = null;
  // Without its handle this closes nothing; it lets the server count the connection as gone.
  accepted.on('error', ignore);
  accepted.destroy();
  return new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0]);
}

let selfTest: Promise<boolean> | null = null;

/** True if `withOwnBuffer` works in this process. */
export function canHaveOwnBuffer(): Promise<boolean> {
  selfTest ??= runSelfTest();
  return selfTest;
}

/** One connection over loopback: ping in through the buffer, pong out, and both ends must see the other close. */
async function runSelfTest(): Promise<boolean> {
  const server = createServer({ pauseOnConnect: true });
  const sockets: Socket[] = [];
  let timer: NodeJS.Timeout | null = null;
  try {
    return await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), SELF_TEST_TIMEOUT_MS);
      server.on('error', () => resolve(false));
      server.on('connection', (accepted) => {
        sockets.push(answerPing(accepted, resolve));
      });
      server.listen(0, '127.0.0.1', () => sockets.push(sendPing(server, resolve)));
    });
  } finally {
    if (timer !== null) clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function answerPing(accepted: Socket, resolve: (works: boolean) => void): Socket {
  let socket: Socket;
  const buffer = new Uint8Array(8);
  const onread = {
    buffer: () => buffer,
    callback: (length: number, filled: Uint8Array): boolean => {
      if (length !== 4 || filled !== buffer || String.fromCharCode(...filled.subarray(0, 4)) !== 'ping') {
        resolve(false);
      }
      socket.write('pong');
      return true;
    },
  };
  try {
    socket = withOwnBuffer(accepted, onread);
  } catch {
    resolve(false); // The whole point of the test.
    return accepted;
  }
  socket.on('error', () => resolve(false));
  socket.on('data', () => resolve(false));
  socket.on('close', () => resolve(true));
  return socket;
}

function sendPing(server: Server, resolve: (works: boolean) => void): Socket {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => resolve(false));
  socket.on('connect', () => socket.write('ping'));
  socket.on('data', (data) => {
    if (data.toString() !== 'pong') resolve(false);
    socket.end();
  });
  return socket;
}

function ignore(): void {
  // The socket was emptied of its handle: nothing can happen to it that matters.
}
