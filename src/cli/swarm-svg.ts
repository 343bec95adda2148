import {
  TEXTBOOK_PEERS,
  fileSeconds,
  lastOf,
  PEERS_MAX,
  type BoundPoint,
  type Figure,
} from './swarm-figure.ts';

/** Two panels of this size beside each other: as the textbook draws it, and on to ten thousand peers. */
const PANEL = { width: 420, height: 320 } as const;
const MARGIN = { left: 64, right: 24, top: 76, bottom: 56 } as const;
const GAP = 56;
const LEGEND_ROW = 20;

/** Told apart without colours too: by the shapes of their marks. */
const COLORS = ['#1b7837', '#b35806', '#762a83', '#2166ac', '#b2182b', '#01665e'];
const SERVER_COLOR = '#666666';
const BOUND_COLOR = '#111111';

interface Axis {
  readonly min: number;
  readonly max: number;
  readonly isLog: boolean;
  readonly ticks: readonly number[];
}

interface Panel {
  readonly left: number;
  readonly top: number;
  readonly x: Axis;
  readonly y: Axis;
  readonly title: string;
}

/** The figure as an SVG file. */
export function figureSvg(figure: Figure): string {
  const legendRows = 2 + figure.series.length;
  const width = MARGIN.left + 2 * PANEL.width + GAP + MARGIN.left + MARGIN.right;
  const height = MARGIN.top + PANEL.height + MARGIN.bottom + LEGEND_ROW * Math.ceil(legendRows / 2) + 16;
  const measured = figure.series.flatMap(({ runs }) =>
    runs.map((run) => ({ peers: run.scenario.downloaders, time: lastOf(run) })),
  );
  const few = figure.bounds.filter(({ peers }) => peers <= TEXTBOOK_PEERS);
  const fewMax = Math.max(
    ...few.map(({ clientServer }) => clientServer),
    ...measured
      .filter(({ peers, time }) => peers <= TEXTBOOK_PEERS && !Number.isNaN(time))
      .map(({ time }) => time),
  );
  const all = [
    ...figure.bounds.flatMap(({ clientServer, peerToPeer }) => [clientServer, peerToPeer]),
    ...measured.map(({ time }) => time).filter((time) => !Number.isNaN(time)),
  ];
  const panels: Panel[] = [
    {
      left: MARGIN.left,
      top: MARGIN.top,
      x: linear(TEXTBOOK_PEERS),
      y: linear(fewMax * 1.02),
      title: 'as the textbook draws it',
    },
    {
      left: MARGIN.left + PANEL.width + GAP + MARGIN.left / 2,
      top: MARGIN.top,
      x: logarithmic(1, PEERS_MAX),
      y: logarithmic(Math.min(...all), Math.max(...all)),
      title: 'to ten thousand peers, both axes logarithmic',
    },
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    `<title>Minimum distribution time, and what a swarm measured</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(
      MARGIN.left,
      26,
      'Time until the last of N peers has the whole file',
      'font-size="17" font-weight="bold"',
    ),
    text(MARGIN.left, 46, conditions(figure), 'fill="#555555"'),
    ...panels.flatMap((panel) => drawPanel(panel, figure)),
    ...legend(figure, MARGIN.top + PANEL.height + MARGIN.bottom + 8),
    `</svg>`,
    '',
  ].join('\n');
}

function conditions({ scenario }: Figure): string {
  const { serverRate, upRates, downRate } = scenario;
  const ui = upRates.length === 1 ? `${upRates[0]}u` : upRates.map((rate) => `${rate}u`).join(', ');
  const seconds = Number(fileSeconds(scenario).toPrecision(3));
  return `us = ${serverRate}u, ui = ${ui}, d = ${downRate}u; times in F/u, which is ${seconds} s in the simulated swarms`;
}

function drawPanel(panel: Panel, figure: Figure): string[] {
  const { left, top, x, y } = panel;
  const bottom = top + PANEL.height;
  const right = left + PANEL.width;
  const lines: string[] = [text(left, top - 10, panel.title, 'fill="#555555"')];
  for (const tick of y.ticks) {
    const at = place(panel, x.min, tick).y;
    lines.push(
      `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" stroke="#dddddd"/>`,
      text(left - 8, at + 4, format(tick), 'text-anchor="end"'),
    );
  }
  for (const tick of x.ticks) {
    const at = place(panel, tick, y.min).x;
    lines.push(
      `<line x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}" stroke="#111111"/>`,
      text(at, bottom + 20, format(tick), 'text-anchor="middle"'),
    );
  }
  lines.push(
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#111111"/>`,
    text((left + right) / 2, bottom + 40, 'peers that download (N)', 'text-anchor="middle"'),
    `<text transform="translate(${left - 44} ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">time, in F/u</text>`,
  );
  const shown = figure.bounds.filter(({ peers }) => peers <= x.max);
  lines.push(
    curve(
      panel,
      shown,
      ({ clientServer }) => clientServer,
      `stroke="${SERVER_COLOR}" stroke-dasharray="7 4"`,
    ),
    curve(panel, shown, ({ peerToPeer }) => peerToPeer, `stroke="${BOUND_COLOR}"`),
  );
  figure.series.forEach(({ runs }, i) => {
    for (const run of runs) {
      const time = lastOf(run);
      if (Number.isNaN(time) || run.scenario.downloaders > x.max) continue;
      const at = place(panel, run.scenario.downloaders, time);
      lines.push(mark(i, at.x, at.y));
    }
  });
  return lines;
}

function curve(
  panel: Panel,
  points: readonly BoundPoint[],
  of: (point: BoundPoint) => number,
  looks: string,
): string {
  const path = points
    .map((point, i) => {
      const at = place(panel, point.peers, of(point));
      return `${i === 0 ? 'M' : 'L'}${at.x} ${at.y}`;
    })
    .join('');
  return `<path d="${path}" fill="none" stroke-width="2" ${looks}/>`;
}

function legend(figure: Figure, top: number): string[] {
  const entries: { readonly sign: (x: number, y: number) => string; readonly label: string }[] = [
    {
      sign: (x, y) =>
        `<line x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}" stroke="${SERVER_COLOR}" stroke-width="2" stroke-dasharray="7 4"/>`,
      label: 'one server alone: max{NF/us, F/d}',
    },
    {
      sign: (x, y) =>
        `<line x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}" stroke="${BOUND_COLOR}" stroke-width="2"/>`,
      label: 'lower bound with peers: max{F/us, F/d, NF/(us + sum of ui)}',
    },
    ...figure.series.map(({ label }, i) => ({ sign: (x: number, y: number) => mark(i, x + 14, y), label })),
  ];
  return entries.flatMap(({ sign, label }, i) => {
    const x = MARGIN.left + (i % 2) * (PANEL.width + GAP + MARGIN.left / 2);
    const y = top + Math.floor(i / 2) * LEGEND_ROW;
    return [sign(x, y), text(x + 38, y + 4, label, '')];
  });
}

function mark(series: number, x: number, y: number): string {
  const color = COLORS[series % COLORS.length]!;
  const looks = `fill="${color}" fill-opacity="0.85" stroke="#ffffff"`;
  switch (series % 3) {
    case 0:
      return `<circle cx="${x}" cy="${y}" r="4.5" ${looks}/>`;
    case 1:
      return `<rect x="${round(x - 4)}" y="${round(y - 4)}" width="8" height="8" ${looks}/>`;
    default:
      return `<path d="M${x} ${round(y - 5.5)}L${round(x + 5)} ${round(y + 4)}H${round(x - 5)}Z" ${looks}/>`;
  }
}

function place({ left, top, x, y }: Panel, peers: number, time: number): { x: number; y: number } {
  return {
    x: round(left + share(x, peers) * PANEL.width),
    y: round(top + (1 - share(y, time)) * PANEL.height),
  };
}

function share({ min, max, isLog }: Axis, value: number): number {
  return isLog ? Math.log(value / min) / Math.log(max / min) : (value - min) / (max - min);
}

function linear(max: number): Axis {
  const rough = max / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!;
  const ticks: number[] = [];
  for (let tick = 0; tick <= max + step / 1000; tick += step) ticks.push(Number(tick.toPrecision(6)));
  return { min: 0, max, isLog: false, ticks };
}

/** From the power of ten below the least to that above the most. */
function logarithmic(least: number, most: number): Axis {
  const from = Math.floor(Math.log10(least) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(most) - 1e-9));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  return { min: 10 ** from, max: 10 ** to, isLog: true, ticks };
}

function format(value: number): string {
  return value >= 1000 ? value.toLocaleString('en') : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function text(x: number, y: number, words: string, looks: string): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x}" y="${y}" ${looks}>${safe}</text>`;
}
