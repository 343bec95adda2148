/**
 * How bytes travel in the simulated network.
 *
 * A **flow** is one direction of a connection: an ordered, lossless queue, as TCP gives it. What a link sends are
 * **parcels** (one per message). The sender's **uplink** takes them from its flows in turns, in **units**: one bulk
 * parcel (a block), or a packet's worth of small ones. A unit then flies for the path's latency to the receiver's
 * **downlink**, which receives units in turns again, and lands at the other end of the flow.
 *
 *     link → flow queue → uplink (bytes / rate) → flight (latency) → downlink (bytes / rate) → link
 *
 * Uplink and downlink work at the same time on the same bytes, so a block costs the slower of the two and not the
 * sum. Small parcels never wait behind the blocks of other flows, only behind those of their own: real links share by
 * packets of 1.5 kB, and at the granularity of blocks that is what comes closest.
 *
 * A window bounds what a flow may have under way, as TCP's does: a receiver that stops reading stops its sender.
 */

/** The largest payload of one packet on Ethernet; what is larger waits its turn with the blocks. */
const PACKET_BYTES = 1460;

/** One message on its way. */
export interface Parcel<P> {
  /** Size on the wire. */
  readonly bytes: number;
  /** The parcel behind it in the same queue or unit. */
  next: P | null;
}

export interface FlowSender<P> {
  /** The network took these parcels, a list, out of the queue. Called in a turn of the network. */
  onTaken(first: P): void;
}

export interface FlowReceiver<P> {
  /** These parcels, a list, arrived together. Called in a turn of the network. */
  onParcels(first: P): void;
}

/** The sending end's uplink, as far as a flow needs it. */
export interface UnitSource {
  /** The flow has something to send. */
  offer(flow: AnyFlow): void;
  /**
   * Sends so many bytes of an empty flow at once, if the network is coarse.
   * @returns When they arrive; null if they have to take their turn.
   */
  sendAtOnce(flow: AnyFlow, bytes: number): number | null;
}

/** The receiving end's downlink, as far as the uplink needs it. */
export interface UnitTarget {
  push(unit: Unit): void;
  /** So many bytes joined a unit that is on its way. */
  grow(bytes: number): void;
}

/** What lies between the two ends. */
export interface Path {
  readonly latencyMs: number;
  /** False while nothing passes: an end is gone, or the network is split between them. */
  isOpen(): boolean;
}

/** Parcels that travel together, as uplink and downlink see them. */
export interface Unit {
  readonly flow: AnyFlow;
  readonly bytes: number;
  readonly isBulk: boolean;
  /** When the first byte reaches the downlink, and the last one. */
  firstByteMs: number;
  lastByteMs: number;
  /** It has passed the downlink. */
  hasLanded: boolean;
  /** Its neighbours among the units on their way to the same host: see `Arrivals`. */
  earlier: Unit | null;
  later: Unit | null;
}

/** A flow, whatever it carries. */
export interface AnyFlow {
  readonly target: UnitTarget;
  readonly path: Path;
  readonly isEmpty: boolean;
  /** The next to be sent is a bulk parcel. */
  readonly isBulkNext: boolean;
  /** The receiver has as much under way as it takes without reading. */
  readonly isWindowFull: boolean;
  /** The uplink has it in one of its queues, so it need not be offered again. */
  isOffered: boolean;
  /** The latest arrival so far: a flow stays in order when its path gets shorter. */
  lastByteMs: number;
  /** Units that wait for the downlink to receive them. */
  readonly arrived: Unit[];
  /** The parcels to send next, as the uplink takes them; not from an empty flow. */
  take(): Unit;
  /** Tells the sender that what was taken last has left. */
  notifyTaken(): void;
  /** A unit passed the downlink: the receiver gets it, unless it stopped reading or an older one is missing. */
  land(unit: Unit): void;
}

class FlowUnit<P extends Parcel<P>> implements Unit {
  readonly flow: AnyFlow;
  readonly first: P;
  #last: P;
  #bytes: number;
  readonly isBulk: boolean;
  firstByteMs = 0;
  lastByteMs = 0;
  hasLanded = false;
  earlier: Unit | null = null;
  later: Unit | null = null;
  next: FlowUnit<P> | null = null;

  constructor(flow: AnyFlow, first: P, last: P, bytes: number, isBulk: boolean) {
    this.flow = flow;
    this.first = first;
    this.#last = last;
    this.#bytes = bytes;
    this.isBulk = isBulk;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(parcel: P): void {
    this.#last.next = parcel;
    this.#last = parcel;
    this.#bytes += parcel.bytes;
  }
}

export class Flow<P extends Parcel<P>> implements AnyFlow {
  readonly #source: UnitSource;
  readonly target: UnitTarget;
  readonly path: Path;
  readonly #sender: FlowSender<P>;
  readonly #receiver: FlowReceiver<P>;
  readonly #windowBytes: number;
  #head: P | null = null;
  #tail: P | null = null;
  #unitHead: FlowUnit<P> | null = null;
  #unitTail: FlowUnit<P> | null = null;
  #queuedBytes = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #isPaused = false;
  #isDelivering = false;
  isOffered = false;
  lastByteMs = 0;
  readonly arrived: Unit[] = [];

  constructor(
    source: UnitSource,
    target: UnitTarget,
    path: Path,
    ends: { readonly sender: FlowSender<P>; readonly receiver: FlowReceiver<P> },
    windowBytes: number,
  ) {
    this.#source = source;
    this.target = target;
    this.path = path;
    this.#sender = ends.sender;
    this.#receiver = ends.receiver;
    this.#windowBytes = windowBytes;
  }

  /** Bytes that the uplink has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes that left the sender. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Bytes that the receiver got. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get inFlightBytes(): number {
    return this.#sentBytes - this.#receivedBytes;
  }

  get isEmpty(): boolean {
    return this.#head === null;
  }

  get isBulkNext(): boolean {
    return this.#head !== null && this.#head.bytes > PACKET_BYTES;
  }

  get isWindowFull(): boolean {
    return this.inFlightBytes >= this.#windowBytes;
  }

  send(parcel: P): void {
    parcel.next = null;
    if (this.#tail === null) this.#head = parcel;
    else this.#tail.next = parcel;
    this.#tail = parcel;
    this.#queuedBytes += parcel.bytes;
    if (!this.isOffered) this.#source.offer(this);
  }

  /**
   * The same for small parcels whose sender need not hear when they leave. On a coarse network they leave at once, and
   * those that arrive together travel together: half of the events of a large swarm.
   */
  sendSmall(parcel: P): void {
    const arrivalMs =
      this.#head !== null || this.isWindowFull ? null : this.#source.sendAtOnce(this, parcel.bytes);
    if (arrivalMs === null) {
      this.send(parcel);
      return;
    }
    parcel.next = null;
    this.#sentBytes += parcel.bytes;
    const tail = this.#unitTail;
    if (tail !== null && !tail.isBulk && !tail.hasLanded && tail.lastByteMs === arrivalMs) {
      tail.append(parcel);
      this.target.grow(parcel.bytes);
      return;
    }
    const unit = this.#append(new FlowUnit<P>(this, parcel, parcel, parcel.bytes, false));
    unit.firstByteMs = unit.lastByteMs = arrivalMs;
    this.target.push(unit);
  }

  take(): Unit {
    const first = this.#head!;
    let last = first;
    let bytes = first.bytes;
    const isBulk = bytes > PACKET_BYTES;
    while (!isBulk && last.next !== null && bytes + last.next.bytes <= PACKET_BYTES) {
      last = last.next;
      bytes += last.bytes;
    }
    this.#head = last.next;
    if (this.#head === null) this.#tail = null;
    last.next = null;
    this.#queuedBytes -= bytes;
    this.#sentBytes += bytes;
    return this.#append(new FlowUnit<P>(this, first, last, bytes, isBulk));
  }

  #append(unit: FlowUnit<P>): FlowUnit<P> {
    if (this.#unitTail === null) this.#unitHead = unit;
    else this.#unitTail.next = unit;
    this.#unitTail = unit;
    return unit;
  }

  notifyTaken(): void {
    if (this.#unitTail !== null) this.#sender.onTaken(this.#unitTail.first);
  }

  /** Visits what was sent and has not been received, oldest first. */
  forEachUnderWay(visit: (parcel: P) => void): void {
    for (let unit = this.#unitHead; unit !== null; unit = unit.next) {
      for (let parcel: P | null = unit.first; parcel !== null; parcel = parcel.next) visit(parcel);
    }
    for (let parcel = this.#head; parcel !== null; parcel = parcel.next) visit(parcel);
  }

  /** Forgets what has not left yet, showing each parcel to `visit`. */
  clear(visit: (parcel: P) => void): void {
    let parcel = this.#head;
    this.#head = this.#tail = null;
    this.#queuedBytes = 0;
    while (parcel !== null) {
      const { next } = parcel;
      visit(parcel);
      parcel = next;
    }
  }

  land(unit: Unit): void {
    unit.hasLanded = true;
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** Only in a turn of the network: units that waited are delivered in it. */
  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    const wasFull = this.isWindowFull;
    for (let unit = this.#unitHead; unit?.hasLanded && !this.#isPaused; unit = this.#unitHead) {
      this.#unitHead = unit.next;
      if (this.#unitHead === null) this.#unitTail = null;
      this.#receivedBytes += unit.bytes;
      this.#receiver.onParcels(unit.first);
    }
    this.#isDelivering = false;
    if (wasFull && !this.isWindowFull && !this.isEmpty && !this.isOffered) this.#source.offer(this);
  }
}
