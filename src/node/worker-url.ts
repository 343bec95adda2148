/**
 * Where the built file of a worker lies. Worker threads run JavaScript only, so from the sources (under the test
 * runner, which transforms no workers) the way leads to the build in `dist/`.
 */
export function workerUrl(name: string): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL(`../../dist/node/${name}.js`, import.meta.url)
    : new URL(`./${name}.js`, import.meta.url);
}
