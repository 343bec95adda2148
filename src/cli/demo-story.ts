import type { Context } from './context.ts';
import type { DemoSwarm } from './demo-swarm.ts';
import { renderDemo, SEEDER_STYLES } from './demo-view.ts';
import type { SeederView } from './demo-view.ts';
import { formatPercent } from './format.ts';
import type { LibraryTorrent } from './library.ts';
import type { Style } from './style.ts';
import { ProgressView } from './progress.ts';
import { peerText } from './transfer.ts';

/** When the last seeder's data goes bad, and when another one is killed: shares of the download. */
const LIE_AT = 0.25;
const KILL_AT = 0.5;
const KILLED = 1;
const LIAR = 2;
/** Ten frames a second: there is something to see. */
const FRAME_MS = 100;

/** What happens to the swarm while it runs, and the telling of it. */
export class DemoStory {
  readonly #context: Context;
  readonly #swarm: DemoSwarm;
  readonly #torrent: LibraryTorrent;
  readonly #spoilData: () => Promise<void>;
  readonly #seeders: SeederView[];
  /** Per piece, one more than the number of the seeder it came from; 0 for none. */
  readonly #sources: Uint8Array;
  readonly #log: ProgressView;
  /** What is under way because of the story. */
  readonly #acts: Promise<void>[] = [];
  #failure: Error | null = null;
  #frames: NodeJS.Timeout | undefined;
  #liarCaught = false;

  /** `spoilData` damages what the last seeder has on its disk. */
  constructor(context: Context, swarm: DemoSwarm, torrent: LibraryTorrent, spoilData: () => Promise<void>) {
    this.#context = context;
    this.#swarm = swarm;
    this.#torrent = torrent;
    this.#spoilData = spoilData;
    this.#sources = new Uint8Array(torrent.metaInfo!.pieceCount);
    this.#seeders = swarm.seeders.map((_, i) => ({
      name: `seeder ${i + 1}`,
      style: SEEDER_STYLES[i + 1]!,
      fate: null,
      pieces: 0,
      rate: 0,
    }));
    this.#log = new ProgressView(context.terminal, () => [torrent], context.now);
  }

  get liarCaught(): boolean {
    return this.#liarCaught;
  }

  start(): void {
    const { terminal } = this.#context;
    this.#torrent.on('piece', (piece, from) => this.#onPiece(piece, from));
    this.#torrent.on('ban', ({ address, piece }) => this.#onBan(address, piece));
    if (terminal.progress === 'bar') this.#frames = setInterval(() => this.#draw(), FRAME_MS);
    else this.#log.start();
  }

  /** Leaves the last frame on the screen. Rejects if something of the story went wrong. */
  async stop(): Promise<void> {
    clearInterval(this.#frames);
    if (this.#context.terminal.progress === 'bar') this.#draw();
    this.#context.terminal.keep();
    this.#log.stop();
    await Promise.all(this.#acts);
    if (this.#failure !== null) throw this.#failure;
  }

  #onPiece(piece: number, from: readonly { host: string; port: number }[]): void {
    const seeder = from.length > 0 ? this.#seederAt(from[0]!.port) : -1;
    if (seeder >= 0) {
      this.#sources[piece] = seeder + 1;
      this.#seeders[seeder]!.pieces++;
    }
    const { progress } = this.#torrent.stats;
    if (progress >= LIE_AT && this.#seeders[LIAR]!.fate === null) this.#act(LIAR, this.#lie());
    if (progress >= KILL_AT && this.#seeders[KILLED]!.fate === null) this.#act(KILLED, this.#kill());
  }

  #act(seeder: number, act: Promise<void>): void {
    // Known at once, so that it happens once.
    this.#seeders[seeder]!.fate ??= '';
    this.#acts.push(act.catch((error: unknown) => void (this.#failure ??= error as Error)));
  }

  async #lie(): Promise<void> {
    this.#seeders[LIAR]!.fate = 'its data has gone bad';
    this.#tell(
      `at ${this.#share()}, the data of seeder ${LIAR + 1} goes bad and it does not notice`,
      'yellow',
    );
    await this.#spoilData();
  }

  async #kill(): Promise<void> {
    const { client } = this.#swarm.seeders[KILLED]!;
    const peer = peerText({ host: '127.0.0.1', port: client.listenPort });
    this.#seeders[KILLED]!.fate = 'killed';
    this.#tell(`at ${this.#share()}, seeder ${KILLED + 1} is killed`, 'yellow');
    if (this.#context.terminal.json) this.#context.terminal.event({ event: 'demo-killed', peer });
    await this.#swarm.kill(KILLED);
  }

  #onBan(address: { port: number }, piece: number): void {
    const seeder = this.#seederAt(address.port);
    if (seeder < 0) return;
    if (seeder === LIAR) this.#liarCaught = true;
    this.#seeders[seeder]!.fate = 'caught and banned';
    this.#tell(
      `caught: piece ${piece} from seeder ${seeder + 1} has the wrong SHA-1, so it is thrown away and the seeder banned`,
      'green',
    );
  }

  #tell(line: string, style: Style): void {
    if (!this.#context.terminal.json) this.#context.terminal.note(line, style);
  }

  #share(): string {
    return formatPercent(this.#torrent.stats.progress);
  }

  /** Every seeder has the same address and a port of its own. */
  #seederAt(port: number): number {
    return this.#swarm.ports.indexOf(port);
  }

  #draw(): void {
    const { terminal } = this.#context;
    for (const seeder of this.#seeders) seeder.rate = 0;
    for (const { address, downRate } of this.#torrent.peers) {
      const seeder = this.#seederAt(address.port);
      if (seeder >= 0) this.#seeders[seeder]!.rate = downRate;
    }
    const options = { columns: terminal.stderrColumns, unicode: terminal.unicode };
    terminal.show(renderDemo(this.#torrent, this.#seeders, this.#sources, options));
  }
}
