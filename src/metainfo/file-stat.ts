/** What the disk says about one file; `size` is -1 when it does not exist. */
export interface FileStat {
  readonly size: number;
  readonly mtimeMs: number;
}
