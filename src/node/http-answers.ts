/**
 * The answers of an HTTP/1.1 server as they come off a connection (RFC 9112), body and all.
 *
 * Node's own client hands out bodies in fresh buffers at twice the cost of the network itself; here a body is given on
 * as views of whatever chunk it came in, which the caller reuses. In return this reader does less: answers to GET alone,
 * one after the other, in no coding but chunks. It is strict where leniency would let two readers disagree about where
 * an answer ends, since the next answer on the connection begins there.
 *
 *     head ──> body of a length ──────────────┐
 *      │  ├──> body until the end ────────────┼──> idle ──> head of the next answer
 *      │  └──> size ──> chunk ──> size ...    │
 *      │                  └──> trailer ───────┘
 *      └─ 1xx: another head
 */

import type { RangeHead } from '../ports.ts';

/** As Node's own limit; of one head, and of all that precedes a body. */
const HEAD_MAX = 16_384;
/** Digits of a size: below 2^53. */
const SIZE_HEX_MAX = 13;
/** Chunk extensions mean nothing to anyone. */
const SIZE_LINE_MAX = 256;
/** A chunk costs much the same whatever is in it: after so many, those of an answer must hold this much on average. */
const SMALL_CHUNKS_MAX = 1000;
const CHUNK_BYTES_MIN = 64;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t -~\x80-\xff]*)?$/;
/** With the blanks around the value, or a line of nothing but blanks could be read in so many ways that it takes hours. */
const FIELD = /^([!#$%&'*+\-.^_`|~\dA-Za-z]+):([\t -~\x80-\xff]*)$/;
const LENGTH = /^\d{1,15}$/;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

export interface AnswerSink {
  onHead(head: RangeHead): void;
  /** A view of the chunk that was given to `receive`. */
  onBody(bytes: Uint8Array): void;
  /** The answer is whole. */
  onAnswered(): void;
}

/** What the server sent is not HTTP as it should be. */
export class AnswerFault extends Error {
  override readonly name = 'AnswerFault';
}

type State = 'idle' | 'head' | 'sized' | 'endless' | 'size' | 'chunk' | 'chunk-end' | 'trailer';

export class AnswerReader {
  readonly #sink: AnswerSink;
  #state: State = 'idle';
  /** The line or head that arrives in parts. */
  #text = '';
  /** Bytes of heads of the present answer. */
  #headBytes = 0;
  /** Bytes left of the body or of its present chunk. */
  #left = 0;
  /** Of the present answer, and the bytes in them. */
  #chunks = 0;
  #chunkBytes = 0;
  /** The answer is here, but not yet told: its end must be the end of what came. */
  #isWhole = false;
  #keepsAlive = false;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  /** No answer is under way. */
  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Another request may be sent once this answer is whole. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** A request was sent. */
  expect(): void {
    this.#state = 'head';
    this.#text = '';
    this.#headBytes = 0;
    this.#keepsAlive = false;
  }

  /** Bytes from the server. @throws AnswerFault */
  receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isWhole;) {
      at = this.#step(bytes, at);
      if (this.#isWhole && at < bytes.length) throw new AnswerFault('the answer is longer than it says');
    }
    this.#tell();
  }

  /** The server closed. @throws AnswerFault if an answer breaks off. */
  end(): void {
    if (this.#state === 'idle') return;
    if (this.#state !== 'endless') throw new AnswerFault('the answer breaks off');
    this.#finish();
    this.#tell();
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'idle':
        throw new AnswerFault('the answer is longer than it says');
      case 'head':
        return this.#readHead(bytes, at);
      case 'sized':
      case 'chunk': {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        this.#sink.onBody(bytes.subarray(at, end));
        if (this.#left === 0) {
          if (this.#state === 'sized') this.#finish();
          else this.#state = 'chunk-end';
        }
        return end;
      }
      case 'endless':
        this.#sink.onBody(bytes.subarray(at));
        return bytes.length;
      case 'size':
      case 'chunk-end':
      case 'trailer':
        return this.#readLine(bytes, at);
    }
  }

  #readHead(bytes: Uint8Array, at: number): number {
    // The end is four bytes; up to three of them may be here already.
    const end = endOfHead(bytes, at, this.#text);
    const taken = end < 0 ? bytes.length : end;
    this.#headBytes += taken - at;
    if (this.#headBytes > HEAD_MAX) throw new AnswerFault('the headers of the answer are too long');
    this.#text += latin1(bytes, at, taken);
    if (end < 0) return taken;
    const text = this.#text.slice(0, -4);
    this.#text = '';
    this.#onHead(text);
    return taken;
  }

  #onHead(text: string): void {
    const lines = text.split('\r\n');
    const [, minor, code] = STATUS_LINE.exec(lines[0]!) ?? notHttp();
    const status = Number(code);
    const headers = readFields(lines);
    if (status < 200) {
      // Nobody asked to switch protocols; anything else says that the answer is still to come.
      if (status === 101) notHttp();
      return;
    }
    const coding = headers.get('transfer-encoding');
    const length = headers.get('content-length');
    const connection = headers.get('connection')?.toLowerCase() ?? '';
    this.#keepsAlive = minor === '1' && !/\bclose\b/.test(connection);
    if (coding !== undefined) {
      // A length beside a coding is how one answer is smuggled into another (RFC 9112, 6.1).
      if (coding.toLowerCase() !== 'chunked' || length !== undefined || minor === '0') notHttp();
      this.#begin('size', { status, headers, length: null });
    } else if (status === 204 || status === 304) {
      this.#begin('sized', { status, headers, length: 0 });
    } else if (length !== undefined) {
      if (!LENGTH.test(length)) notHttp();
      this.#begin('sized', { status, headers, length: Number(length) });
    } else {
      this.#keepsAlive = false;
      this.#begin('endless', { status, headers, length: null });
    }
  }

  #begin(state: State, head: RangeHead): void {
    this.#state = state;
    this.#left = head.length ?? 0;
    this.#chunks = this.#chunkBytes = 0;
    this.#sink.onHead(head);
    if (state === 'sized' && this.#left === 0) this.#finish();
  }

  #readLine(bytes: Uint8Array, at: number): number {
    const lf = bytes.indexOf(LF, at);
    const end = lf < 0 ? bytes.length : lf + 1;
    this.#text += latin1(bytes, at, end);
    const max = this.#state === 'trailer' ? HEAD_MAX - this.#headBytes : SIZE_LINE_MAX;
    if (this.#text.length > max) throw new AnswerFault('the answer is not proper HTTP');
    if (lf < 0) return end;
    const line = this.#text;
    this.#text = '';
    if (!line.endsWith('\r\n')) notHttp();
    this.#onLine(line.slice(0, -2));
    return end;
  }

  #onLine(line: string): void {
    if (this.#state === 'chunk-end') {
      if (line !== '') notHttp();
      this.#state = 'size';
    } else if (this.#state === 'trailer') {
      this.#headBytes += line.length + 2;
      if (line === '') this.#finish();
    } else {
      const [, digits] = /^([\dA-Fa-f]+)[\t ]*(?:;.*)?$/.exec(line) ?? notHttp();
      if (digits!.replace(/^0+/, '').length > SIZE_HEX_MAX) notHttp();
      this.#left = parseInt(digits!, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'chunk';
      if (this.#left > 0) this.#countChunk();
    }
  }

  /** Otherwise a server could keep us busy with its bytes one by one. */
  #countChunk(): void {
    this.#chunks++;
    this.#chunkBytes += this.#left;
    if (this.#chunks <= SMALL_CHUNKS_MAX || this.#chunkBytes >= this.#chunks * CHUNK_BYTES_MIN) return;
    throw new AnswerFault('the answer comes in crumbs');
  }

  #finish(): void {
    this.#state = 'idle';
    this.#isWhole = true;
  }

  /** Last of all, because the next request may be sent from within. */
  #tell(): void {
    if (!this.#isWhole) return;
    this.#isWhole = false;
    this.#sink.onAnswered();
  }
}

/** The fields of a head. @throws AnswerFault */
function readFields(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const [, name, padded] = FIELD.exec(lines[i]!) ?? notHttp();
    const key = name!.toLowerCase();
    const value = withoutBlanks(padded!);
    const before = headers.get(key);
    if (before !== undefined && key === 'content-length') {
      if (before !== value) notHttp();
    } else headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

/** The value of a field (RFC 9110, 5.5): `trim` takes away the last byte of UTF-8, too. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** Where the head ends in these bytes, -1 if it does not yet. @param before The head so far. */
function endOfHead(bytes: Uint8Array, from: number, before: string): number {
  const tail = before.slice(-3);
  for (let lf = bytes.indexOf(LF, from); lf >= 0; lf = bytes.indexOf(LF, lf + 1)) {
    const byteAt = (back: number): number => {
      const at = lf - back;
      return at >= from ? bytes[at]! : tail.charCodeAt(tail.length + at - from);
    };
    if (byteAt(1) === CR && byteAt(2) === LF && byteAt(3) === CR) return lf + 1;
  }
  return -1;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

function notHttp(): never {
  throw new AnswerFault('the answer is not proper HTTP');
}
