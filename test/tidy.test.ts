import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

/**
 * The rules of the house that a reader can rely on, held by the compiler's own parser: which layer may import which,
 * what pure code never touches, and that every file is there for a reason.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');

interface Layer {
  readonly name: string;
  /** Folders or files below `src/`; a folder ends with a slash. */
  readonly paths: readonly string[];
  /** What of `src/` it may import besides itself, in the same notation. */
  readonly imports: readonly string[];
  /** What it may import besides, with `import type` alone. */
  readonly types?: readonly string[];
  /** Packages, each with the one file that may import it, or with `*` for the whole layer. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Is code that cannot reach a clock, a socket, a disk or chance. */
  readonly pure: boolean;
}

const SHARED = ['errors.ts', 'options.ts', 'events.ts', 'version.ts'];
const FORMATS = ['util/', ...SHARED, 'bencode/', 'metainfo/'];
const BELOW_ENGINE = [...FORMATS, 'wire/', 'tracker/', 'dht/', 'lsd/', 'ports.ts'];

/** From the bottom to the top. */
const LAYERS: readonly Layer[] = [
  {
    name: 'util',
    paths: ['util/'],
    imports: [],
    packages: { bitfield: 'util/piece-set.ts', debug: 'util/log.ts', 'ipaddr.js': 'util/ip.ts' },
    pure: true,
  },
  { name: 'shared words', paths: SHARED, imports: ['util/'], types: ['metainfo/'], pure: true },
  {
    name: 'bencode',
    paths: ['bencode/'],
    imports: ['util/', ...SHARED],
    packages: { bencode: 'bencode/codec.ts' },
    pure: true,
  },
  {
    name: 'metainfo',
    paths: ['metainfo/'],
    imports: ['util/', 'bencode/', ...SHARED],
    packages: { 'simple-sha1': 'metainfo/info-hash.ts' },
    pure: true,
  },
  { name: 'wire', paths: ['wire/'], imports: ['util/', 'bencode/', ...SHARED], pure: true },
  { name: 'lsd', paths: ['lsd/'], imports: ['util/', ...SHARED], pure: true },
  { name: 'tracker', paths: ['tracker/'], imports: ['util/', 'bencode/', ...SHARED], pure: true },
  { name: 'dht', paths: ['dht/'], imports: ['util/', 'bencode/', ...SHARED], pure: true },
  {
    name: 'ports',
    paths: ['ports.ts'],
    imports: [],
    types: ['util/', 'metainfo/', 'wire/', ...SHARED],
    pure: true,
  },
  { name: 'engine', paths: ['engine/'], imports: BELOW_ENGINE, pure: true },
  {
    name: 'the real world',
    paths: ['node/'],
    imports: [...BELOW_ENGINE, 'engine/'],
    packages: { 'node:': '*' },
    pure: false,
  },
  { name: 'the simulated world', paths: ['sim/'], imports: [...BELOW_ENGINE, 'engine/'], pure: true },
  {
    name: 'the library',
    paths: [
      'client.ts',
      'dht-handle.ts',
      'torrent-handle.ts',
      'load-torrent.ts',
      'select-files.ts',
      'create-torrent.ts',
      'verify.ts',
      'scrape.ts',
      'index.ts',
    ],
    imports: [...BELOW_ENGINE, 'engine/', 'node/'],
    packages: { 'node:': '*', picomatch: '*' },
    pure: false,
  },
  {
    name: 'the command line',
    paths: ['cli/'],
    imports: ['index.ts', 'sim/index.ts'],
    packages: { 'node:': '*', commander: '*', picomatch: '*' },
    pure: false,
  },
];

/** Where a program enters; everything else must be reachable from one of these. */
const ENTRIES = ['index.ts', 'sim/index.ts', 'cli/start.ts', 'cli/main.ts'];

/** Longer than this, a file holds a second concept. */
const LINES_MAX = 500;

/** Words of a file that is not finished. */
const LEFTOVERS = new RegExp(
  ['FIX' + 'ME', 'X' + 'XX', 'TO' + 'DO'].map((word) => `\\b${word}\\b`).join('|'),
);

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** Path below `src/`, or null for a package. */
  readonly target: string | null;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
  readonly imports: readonly Import[];
}

const files = new Map(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => [path, read(path)]),
);

describe('layers', () => {
  test('every source file belongs to exactly one layer', () => {
    const strays = [...files.keys()].filter(
      (path) => LAYERS.filter((layer) => matches(path, layer.paths)).length !== 1,
    );
    expect(strays).toEqual([]);
  });

  test.each(LAYERS)('$name imports only what stands below it', (layer) => {
    const forbidden = inLayer(layer).flatMap((file) =>
      file.imports.filter((each) => !mayImport(layer, file, each)).map((each) => describeImport(file, each)),
    );
    expect(forbidden).toEqual([]);
  });

  test('no file imports itself over others', () => {
    expect(findCycle()).toEqual([]);
  });

  test('every import of our own names its file with the .ts extension', () => {
    const vague = [...files.values()].flatMap((file) =>
      file.imports
        .filter((each) => each.specifier.startsWith('.') && !files.has(each.target ?? ''))
        .map((each) => describeImport(file, each)),
    );
    expect(vague).toEqual([]);
  });
});

describe('pure code', () => {
  const pure = LAYERS.filter((layer) => layer.pure).flatMap(inLayer);

  test('never waits, reads a clock, draws from Math.random or prints', () => {
    expect(pure.flatMap(impurities)).toEqual([]);
  });

  test('never catches an error only to drop it', () => {
    expect(pure.flatMap((file) => emptyCatches(file, false))).toEqual([]);
  });
});

describe('every file', () => {
  test('is used: reachable from the library, the simulator, the command line or as a worker', () => {
    const used = new Set<string>();
    const visit = (path: string): void => {
      if (used.has(path)) return;
      used.add(path);
      const file = files.get(path);
      if (!file) return;
      for (const each of file.imports) if (each.target) visit(each.target);
      for (const worker of workersOf(file)) visit(worker);
    };
    for (const entry of ENTRIES) visit(entry);
    const unused = [...files.keys()].filter((path) => !used.has(path) && !path.endsWith('.d.ts'));
    expect(unused).toEqual([]);
  });

  test(`has at most ${LINES_MAX} lines`, () => {
    const long = [...files.values()]
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  test('is finished', () => {
    expect([...files.values()].filter((file) => LEFTOVERS.test(file.text)).map((file) => file.path)).toEqual(
      [],
    );
  });

  test('says why where it ignores an error', () => {
    expect([...files.values()].flatMap((file) => emptyCatches(file, true))).toEqual([]);
  });

  test('is no index.ts, but for the two public ones', () => {
    const indexes = [...files.keys()].filter((path) => path.endsWith('index.ts'));
    expect(indexes.filter((path) => !ENTRIES.includes(path))).toEqual([]);
  });

  test('exports by name', () => {
    const nameless = [...files.values()].filter((file) =>
      file.ast.statements.some((statement) => ts.isExportAssignment(statement)),
    );
    expect(nameless.map((file) => file.path)).toEqual([]);
  });
});

describe('documents', () => {
  test('every BEP of the README is cited by each file that the README names for it', () => {
    const rows = readFileSync(join(ROOT, 'README.md'), 'utf8')
      .split('\n')
      .filter((line) => /^\| *\[?BEP \d+/.test(line));
    expect(rows.length).toBeGreaterThan(10);
    const wrong = rows.flatMap((row) => {
      const bep = /BEP (\d+)/.exec(row)![1]!;
      const named = [...row.matchAll(/`(src\/[^`]+)`/g)].map((match) => match[1]!);
      if (named.length === 0) return [`BEP ${bep}: no file named`];
      return named
        .filter((path) => !existsSync(join(ROOT, path)) || !citesBep(path, bep))
        .map((path) => `BEP ${bep} is not cited in ${path}`);
    });
    expect(wrong).toEqual([]);
  });

  test.each(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'])(
    'every path that %s names exists',
    (name) => {
      const text = readFileSync(join(ROOT, name), 'utf8');
      const inCode = [...text.matchAll(/`((?:src|test|bench|bin|scripts|fixtures|docs)\/[^`\s*]*)`/g)];
      const links = [...text.matchAll(/\]\(((?!https?:|#)[^)#\s]+)(?:#[^)]*)?\)/g)];
      const missing = [...inCode, ...links]
        .map((match) => match[1]!)
        .filter((path) => !existsSync(join(ROOT, path)));
      expect(missing).toEqual([]);
    },
  );
});

function read(path: string): SourceFile {
  const text = readFileSync(join(SRC, path), 'utf8');
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return { path, text, ast, imports: importsOf(path, ast) };
}

function importsOf(path: string, ast: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const target = specifier.startsWith('.')
      ? relative(SRC, resolve(SRC, dirname(path), specifier)).replaceAll('\\', '/')
      : null;
    found.push({ specifier, typeOnly, target });
  };
  walk(ast, (node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      add(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteral(specifier)) add(specifier.text, false);
    } else if (
      ts.isImportTypeNode(node) &&
      ts.isLiteralTypeNode(node.argument) &&
      ts.isStringLiteral(node.argument.literal)
    ) {
      add(node.argument.literal.text, true);
    }
  });
  return found;
}

function mayImport(layer: Layer, file: SourceFile, each: Import): boolean {
  if (each.target !== null) {
    const types = each.typeOnly ? (layer.types ?? []) : [];
    return matches(each.target, [...layer.paths, ...layer.imports, ...types]);
  }
  return Object.entries(layer.packages ?? {}).some(
    ([name, where]) =>
      (name.endsWith(':')
        ? each.specifier.startsWith(name)
        : each.specifier === name || each.specifier.startsWith(`${name}/`)) &&
      (where === '*' || where === file.path),
  );
}

function describeImport(file: SourceFile, each: Import): string {
  return `${file.path} imports ${each.typeOnly ? 'types of ' : ''}${each.target ?? each.specifier}`;
}

function inLayer(layer: Layer): SourceFile[] {
  return [...files.values()].filter((file) => matches(file.path, layer.paths));
}

function matches(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern));
}

/** The first chain of value imports that returns to its start; types are erased and may look at each other. */
function findCycle(): string[] {
  const done = new Set<string>();
  const visit = (path: string, chain: readonly string[]): string[] => {
    if (chain.includes(path)) return [...chain.slice(chain.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const each of files.get(path)?.imports ?? []) {
      if (each.typeOnly || each.target === null) continue;
      const cycle = visit(each.target, [...chain, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  for (const path of files.keys()) {
    const cycle = visit(path, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

const IMPURE_NAMES = new Set([
  'Promise',
  'console',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
]);

function impurities(file: SourceFile): string[] {
  const found: string[] = [];
  walk(file.ast, (node) => {
    const what = impurity(node);
    if (what === null) return;
    const { line } = file.ast.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${file.path}:${line + 1} ${what}`);
  });
  return found;
}

function impurity(node: ts.Node): string | null {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  if (ts.isAwaitExpression(node)) return 'await';
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText();
    return text === 'Date.now' || text === 'Math.random' ? text : null;
  }
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date') return 'new Date';
  if (!ts.isIdentifier(node) || !IMPURE_NAMES.has(node.text)) return null;
  // `link.process` or `{ process: 1 }` names something of our own.
  const { parent } = node;
  const isOwnName =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ('name' in parent && parent.name === node);
  return isOwnName ? null : node.text;
}

function emptyCatches(file: SourceFile, commentExcuses: boolean): string[] {
  const found: string[] = [];
  walk(file.ast, (node) => {
    if (!ts.isCatchClause(node) || node.block.statements.length > 0) return;
    if (commentExcuses && /\/[/*]/.test(node.block.getText())) return;
    const { line } = file.ast.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${file.path}:${line + 1}`);
  });
  return found;
}

/** Files that a file starts as workers: it names them in a text, and their names end in `-worker`. */
function workersOf(file: SourceFile): string[] {
  return [...files.keys()].filter((path) => {
    const base = path.slice(path.lastIndexOf('/') + 1).replace(/\.ts$/, '');
    return base.endsWith('-worker') && file.text.includes(`'${base}'`);
  });
}

function citesBep(path: string, bep: string): boolean {
  return new RegExp(`BEP 0*${Number(bep)}\\b|BEPs? [\\d, and]*\\b${Number(bep)}\\b`).test(
    readFileSync(join(ROOT, path), 'utf8'),
  );
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}
