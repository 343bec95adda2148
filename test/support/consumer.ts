import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { run } from './child.ts';
import { temporaryFolder } from './tree.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A program of somebody else, in a folder of its own, that has installed the package as `npm pack` makes it. */
export interface Consumer {
  readonly dir: string;
  /** The package's archive. */
  readonly archive: string;
  /** Paths in the archive. */
  readonly packed: readonly string[];
  /** The package as installed. */
  readonly installed: string;
  remove(): void;
}

/**
 * Packs the checkout and installs it without a network: the archive is unpacked as npm would, and the dependencies
 * that its package.json declares are linked from the checkout. One that is used but not declared is therefore missing.
 */
export async function installPackage(label: string): Promise<Consumer> {
  if (!existsSync(join(ROOT, 'dist/index.js')))
    throw new Error('dist/ is missing: run `npm run build` first');
  const { path: dir, remove } = temporaryFolder(label);
  const report = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', dir], {
    cwd: ROOT,
  });
  const [{ filename, files }] = JSON.parse(report) as [{ filename: string; files: { path: string }[] }];
  const archive = join(dir, filename);
  const installed = join(dir, 'node_modules/torrent-ts');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', archive, '-C', installed, '--strip-components=1']);

  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(dir, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  return { dir, archive, packed: files.map((file) => file.path), installed, remove };
}

/**
 * What a strict compiler has to say about files of a consumer, one line per complaint. With `declarations` it also
 * checks those of the package, which takes some seconds.
 */
export function typeErrors(consumer: Consumer, fileNames: readonly string[], declarations = false): string[] {
  const program = ts.createProgram({
    rootNames: fileNames.map((name) => join(consumer.dir, name)),
    options: {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      types: ['node'],
      typeRoots: [join(consumer.dir, 'node_modules/@types')],
      skipLibCheck: !declarations,
    },
  });
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const where = diagnostic.file
      ? `${diagnostic.file.fileName}:${diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1} `
      : '';
    return where + ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
  });
}
