import { TEXTBOOK_PEERS, lastOf, type BoundPoint, type Figure } from './swarm-figure.ts';
import { segment, type Line, type Style } from './style.ts';

/** Marks of the series, in their order. */
const MARKS = ['o', '+', 'x', '*', '#', '@'];
const COLORS: readonly Style[] = ['green', 'yellow', 'magenta', 'blue', 'red', 'cyan'];
const ROWS = 16;
const COLUMNS_MIN = 24;
const COLUMNS_MAX = 90;
const LABEL_COLUMNS = 7;

interface Cell {
  readonly text: string;
  readonly style: Style;
}

/** A value as a share of an axis, from 0 to 1. */
type Scale = (value: number) => number;

/** The figure as text: linear as in the textbook if it fits there, otherwise with both axes logarithmic. */
export function plotLines(figure: Figure, columns: number, unicode: boolean): Line[] {
  const width = Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, columns - LABEL_COLUMNS - 2));
  const simulated = figure.series.flatMap(({ runs }) => runs.map(({ scenario }) => scenario.downloaders));
  const isLinear = simulated.every((peers) => peers <= TEXTBOOK_PEERS);
  const bounds = figure.bounds.filter(({ peers }) => !isLinear || peers <= TEXTBOOK_PEERS);
  const plot = new Plot(figure, bounds, width, isLinear);
  plot.curve(bounds, ({ clientServer }) => clientServer, { text: unicode ? '·' : '.', style: 'cyan' });
  plot.curve(bounds, ({ peerToPeer }) => peerToPeer, { text: unicode ? '─' : '-', style: 'bold' });
  figure.series.forEach((_, i) => plot.runs(i));
  return [
    [segment('time until the last one is complete, in F/u', 'dim')],
    ...plot.lines(unicode),
    [segment(unicode ? '·· ' : '.. ', 'cyan'), segment('one server')],
    [segment(unicode ? '── ' : '-- ', 'bold'), segment('lower bound with peers')],
    ...figure.series.map(({ label }, i): Line => [
      segment(`${markOf(i).text}  `, markOf(i).style),
      segment(label),
    ]),
  ];
}

function markOf(series: number): Cell {
  return { text: MARKS[series % MARKS.length]!, style: COLORS[series % COLORS.length]! };
}

class Plot {
  readonly #figure: Figure;
  readonly #isLinear: boolean;
  readonly #width: number;
  readonly #cells: (Cell | null)[][];
  readonly #x: Scale;
  readonly #y: Scale;
  readonly #peersMax: number;
  readonly #timeMin: number;
  readonly #timeMax: number;

  constructor(figure: Figure, bounds: readonly BoundPoint[], width: number, isLinear: boolean) {
    this.#figure = figure;
    this.#isLinear = isLinear;
    this.#width = width;
    this.#cells = Array.from({ length: ROWS }, () => new Array<Cell | null>(width).fill(null));
    const measured = figure.series
      .flatMap(({ runs }) => runs.map(lastOf))
      .filter((time) => !Number.isNaN(time));
    const times = [
      ...bounds.flatMap(({ clientServer, peerToPeer }) => [clientServer, peerToPeer]),
      ...measured,
    ];
    this.#peersMax = bounds.reduce((most, { peers }) => Math.max(most, peers), 1);
    this.#timeMax = times.reduce((most, time) => Math.max(most, time), 0);
    this.#timeMin = isLinear ? 0 : times.reduce((least, time) => Math.min(least, time), Infinity);
    this.#x = scale(isLinear ? 0 : 1, this.#peersMax, isLinear);
    this.#y = scale(this.#timeMin, this.#timeMax, isLinear);
  }

  curve(points: readonly BoundPoint[], of: (point: BoundPoint) => number, cell: Cell): void {
    for (let column = 0; column < this.#width; column++) {
      const share = column / (this.#width - 1);
      const next = points.find(({ peers }) => this.#x(peers) >= share - 1e-9);
      if (next !== undefined && (column > 0 || !this.#isLinear)) this.#put(column, of(next), cell);
    }
  }

  runs(series: number): void {
    for (const run of this.#figure.series[series]!.runs) {
      const time = lastOf(run);
      if (Number.isNaN(time)) continue;
      this.#put(Math.round(this.#x(run.scenario.downloaders) * (this.#width - 1)), time, markOf(series));
    }
  }

  lines(unicode: boolean): Line[] {
    const [side, corner, floor] = unicode ? ['│', '└', '─'] : ['|', '+', '-'];
    const rows = this.#cells.map((cells, row): Line => {
      const label = row % 5 === 0 || row === ROWS - 1 ? this.#timeAt(row) : '';
      return [
        segment(`${label.padStart(LABEL_COLUMNS - 1)} ${side}`, 'dim'),
        ...cells.map((cell) => segment(cell?.text ?? ' ', cell?.style ?? 'plain')),
      ];
    });
    return [
      ...rows,
      [segment(`${' '.repeat(LABEL_COLUMNS)}${corner}${floor.repeat(this.#width)}`, 'dim')],
      [segment(' '.repeat(LABEL_COLUMNS + 1) + this.#peersAxis(), 'dim')],
    ];
  }

  #put(column: number, time: number, cell: Cell): void {
    const row = ROWS - 1 - Math.round(this.#y(time) * (ROWS - 1));
    if (row >= 0 && row < ROWS) this.#cells[row]![column] = cell;
  }

  #timeAt(row: number): string {
    const share = (ROWS - 1 - row) / (ROWS - 1);
    const time = this.#isLinear
      ? share * this.#timeMax
      : this.#timeMin * (this.#timeMax / this.#timeMin) ** share;
    return time >= 100 ? time.toFixed(0) : time.toPrecision(2);
  }

  #peersAxis(): string {
    const ticks = this.#isLinear ? [5, 10, 20, 30] : [1, 10, 100, 1000, 10_000];
    let axis = '';
    for (const peers of ticks) {
      const column = Math.round(this.#x(peers) * (this.#width - 1));
      const label = String(peers);
      if (column + label.length > this.#width || column < axis.length) continue;
      axis = axis.padEnd(column) + label;
    }
    const name = ' peers';
    return axis.length + name.length <= this.#width ? axis.padEnd(this.#width - name.length) + name : axis;
  }
}

function scale(min: number, max: number, isLinear: boolean): Scale {
  if (isLinear) return (value) => (value - min) / (max - min);
  const span = Math.log(max / min);
  return (value) => (span === 0 ? 0 : Math.log(value / min) / span);
}
