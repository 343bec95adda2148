/** A host, which may be a name, and a port. */
export interface HostPort {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Longer than any name of the DNS (RFC 1035). */
const HOST_LENGTH_MAX = 255;

/** `HOST:PORT` or `[IPV6]:PORT`, or null. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/i.exec(text);
  return match ? hostPortOf(match[1] ?? match[2]!, Number(match[3])) : null;
}

/** Null if there can be no such host or port. */
export function hostPortOf(host: string, port: number): HostPort | null {
  const isHost = host.length <= HOST_LENGTH_MAX && /^[\p{L}\p{N}.:_-]+$/u.test(host);
  return isHost && Number.isInteger(port) && port >= 1 && port <= 65_535 ? { host, port } : null;
}
