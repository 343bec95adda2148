import { RateMeter } from '../../util/rate-meter.ts';

/** Rates that people look at follow the last seconds. */
const DISPLAY_WINDOW_SECONDS = 5;

/** What one torrent has moved in this run. Payload only, in bytes. */
export class TorrentCounters {
  downloaded = 0;
  uploaded = 0;
  /** Received for nothing: duplicates and blocks that nobody asked for. */
  wasted = 0;
  /** Of pieces that failed their hash. */
  corrupt = 0;
  /** Uploads and downloads of earlier runs. */
  readonly before = { downloaded: 0, uploaded: 0 };
  readonly #down = new RateMeter(DISPLAY_WINDOW_SECONDS);
  readonly #up = new RateMeter(DISPLAY_WINDOW_SECONDS);

  onDownloaded(bytes: number, now: number): void {
    this.downloaded += bytes;
    this.#down.add(bytes, now);
  }

  onUploaded(bytes: number, now: number): void {
    this.uploaded += bytes;
    this.#up.add(bytes, now);
  }

  downRate(now: number): number {
    return this.#down.rate(now);
  }

  upRate(now: number): number {
    return this.#up.rate(now);
  }
}
