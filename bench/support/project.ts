/** The folder of the project. What runs was compiled to another one, so `run.js` says where it is; children inherit it. */
export const PROJECT = process.env.TORRENT_TS_BENCH_PROJECT!;
