import { TrackerError } from '../errors.ts';

/** Codes of Node, its HTTP parser and OpenSSL in words that help someone who looks at a list of trackers. */
const TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed by the server',
  EPIPE: 'connection closed by the server',
  EHOSTUNREACH: 'no route to the server',
  ENETUNREACH: 'no route to the server',
  EADDRNOTAVAIL: 'no route to the server',
  ETIMEDOUT: 'connecting timed out',
  HPE_HEADER_OVERFLOW: 'the headers of the answer are too long',
  HPE_CLOSED_CONNECTION: 'the answer is longer than it says',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is self-signed',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet (is the clock right?)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate is not trusted',
};

/** Why a request failed, in a few words. */
export function httpErrorText(error: unknown): string {
  // Several addresses were tried: the first says most.
  const first =
    error instanceof AggregateError && error.errors.length > 0 ? (error.errors[0] as unknown) : error;
  const code = codeOf(first);
  const text = TEXTS[code];
  if (text !== undefined) return text;
  if (code.startsWith('HPE_')) return 'the answer is not proper HTTP';
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return 'no secure connection possible';
  return code !== '' ? `failed (${code})` : first instanceof Error ? first.message : 'failed';
}

/** Whatever was thrown, as the fault of this URL. */
export function toTrackerError(error: unknown, url: string): TrackerError {
  if (error instanceof TrackerError) {
    return error.url === url ? error : new TrackerError(error.message, url, { cause: error.cause });
  }
  return new TrackerError(httpErrorText(error), url, { cause: error });
}

export function tooLong(maxBytes: number, url: string): TrackerError {
  return new TrackerError(`the answer is longer than ${maxBytes} bytes`, url);
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : '';
}
