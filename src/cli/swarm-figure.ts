import type { Scenario, ScenarioResult } from '../sim/index.ts';

/**
 * The figure that textbooks show of file distribution: how long until the last of N peers has everything, from one
 * server and with the peers' help. Times are in multiples of F/u, the time in which a peer could send the file once.
 */
export interface Figure {
  readonly scenario: Scenario;
  /** By the formulas: nobody can be faster. */
  readonly bounds: readonly BoundPoint[];
  readonly series: readonly Series[];
}

export interface BoundPoint {
  readonly peers: number;
  readonly clientServer: number;
  readonly peerToPeer: number;
}

/** The runs of one combination of policies. */
export interface Series {
  readonly label: string;
  readonly runs: readonly ScenarioResult[];
}

/** What the figures need of the simulator. */
export interface Formulas {
  boundsOf(scenario: Scenario): { readonly clientServerSeconds: number; readonly peerToPeerSeconds: number };
}

/** The figure goes on to so many peers, whether or not that many are simulated. */
export const PEERS_MAX = 10_000;
/** As far as the textbook's own goes. */
export const TEXTBOOK_PEERS = 35;

export function fileSeconds({ pieceCount, pieceLength, unit }: Scenario): number {
  return (pieceCount * pieceLength) / unit;
}

/** Until the last of those who stayed was complete, in multiples of F/u; NaN if some were not. */
export function lastOf({ scenario, report, finished }: ScenarioResult): number {
  return finished ? (report.ratioToBound * report.boundMs) / 1000 / fileSeconds(scenario) : NaN;
}

/** The formulas at every N of the textbook's figure, and from there in even steps of the logarithm. */
export function boundPoints(scenario: Scenario, formulas: Formulas): BoundPoint[] {
  const counts = new Set<number>();
  for (let peers = 1; peers <= TEXTBOOK_PEERS; peers++) counts.add(peers);
  for (let power = Math.log10(TEXTBOOK_PEERS); power < Math.log10(PEERS_MAX); power += 0.05) {
    counts.add(Math.round(10 ** power));
  }
  counts.add(PEERS_MAX);
  const unit = fileSeconds(scenario);
  return [...counts].map((peers) => {
    const { clientServerSeconds, peerToPeerSeconds } = formulas.boundsOf({ ...scenario, downloaders: peers });
    return { peers, clientServer: clientServerSeconds / unit, peerToPeer: peerToPeerSeconds / unit };
  });
}
