import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DiskFaults } from '../../src/node/disk-faults.ts';
import { OpenFiles } from '../../src/node/open-files.ts';
import type { DiskRoot } from '../../src/node/open-files.ts';
import { folderIdentity } from '../../src/node/safe-path.ts';
import { temporaryFolder } from '../support/tree.ts';

let folder: ReturnType<typeof temporaryFolder>;
let root: DiskRoot;
let files: OpenFiles;

beforeEach(() => {
  folder = temporaryFolder('open-files');
  mkdirSync(join(folder.path, 'save'));
  root = { path: join(folder.path, 'save'), known: null };
  files = new OpenFiles(4);
});

afterEach(() => {
  files.closeAll();
  folder.remove();
});

describe('opening for writing', () => {
  test('makes the folders and a sparse file of the full length', () => {
    files.forWriting(inside('a/b/c/file'), root, 50_000_000, true);
    const stat = statSync(inside('a/b/c/file'));
    expect(stat.size).toBe(50_000_000);
    expect(stat.blocks).toBeLessThan(100);
  });

  test('makes the download folder if it was never seen', () => {
    const fresh = { path: join(folder.path, 'new', 'folder'), known: null };
    files.forWriting(join(fresh.path, 'file'), fresh, 1, true);
    expect(statSync(join(fresh.path, 'file')).size).toBe(1);
  });

  test('does not make the download folder anew, nor write to another one in its place', () => {
    const known = { path: root.path, known: folderIdentity(root.path) };
    renameSync(root.path, `${root.path}-unmounted`);
    expect(codeOf(() => files.forWriting(inside('t/f'), known, 1, true))).toBe('ERR_FILE_MISSING');
    expect(existsSync(root.path)).toBe(false);
    mkdirSync(root.path);
    expect(codeOf(() => files.forWriting(inside('t/f'), known, 1, true))).toBe('ERR_FILE_MISSING');
    expect(readdirSync(root.path)).toEqual([]);
  });

  test('what was seen of a folder for one job is not believed for the next', () => {
    const job = (): DiskRoot => ({ path: root.path, known: folderIdentity(root.path) });
    const first = job();
    files.forWriting(inside('t/a'), first, 1, true);
    files.forWriting(inside('t/b'), first, 1, true);
    rmSync(inside('t'), { recursive: true });
    symlinkSync(folder.path, inside('t'));
    expect(codeOf(() => files.forWriting(inside('t/c'), job(), 1, true))).toBe('ERR_UNSAFE_PATH');
    expect(codeOf(() => files.forWriting(inside('t/c'), job(), 1, false))).toBe('ERR_UNSAFE_PATH');
    expect(existsSync(join(folder.path, 'c'))).toBe(false);
  });

  test('does not make a file anew that was there before', () => {
    expect(codeOf(() => files.forWriting(inside('gone'), root, 5, false))).toBe('ERR_FILE_MISSING');
    expect(existsSync(inside('gone'))).toBe(false);
  });

  test('notices that an open file was deleted or replaced', () => {
    files.forWriting(inside('f'), root, 5, true);
    rmSync(inside('f'));
    expect(codeOf(() => files.forWriting(inside('f'), root, 5, false))).toBe('ERR_FILE_MISSING');
    files.forWriting(inside('f'), root, 5, true);
    writeFileSync(inside('other'), 'other');
    renameSync(inside('other'), inside('f'));
    const fd = files.forWriting(inside('f'), root, 5, false);
    writeSync(fd, 'new', 0);
    expect(statSync(inside('f')).size).toBe(5);
  });

  test('lengthens a shorter file and does not cut a longer one', () => {
    writeFileSync(inside('short'), '123');
    writeFileSync(inside('long'), '123456789');
    files.forWriting(inside('short'), root, 5, true);
    expect(statSync(inside('short')).size).toBe(5);
    expect(codeOf(() => files.forWriting(inside('long'), root, 5, true))).toBe('ERR_UNSAFE_PATH');
    expect(statSync(inside('long')).size).toBe(9);
    expect(files.size).toBe(1);
  });
});

describe('staying inside the folder', () => {
  beforeEach(() => {
    mkdirSync(join(folder.path, 'outside'));
    writeFileSync(join(folder.path, 'outside', 'secret'), 'secret');
  });

  test('a folder that is a link leading out is refused, and nothing is made behind it', () => {
    symlinkSync(join(folder.path, 'outside'), inside('album'));
    for (const path of ['album/new', 'album/new/deep/er', 'album/secret']) {
      expect(codeOf(() => files.forWriting(inside(path), root, 6, true))).toBe('ERR_UNSAFE_PATH');
    }
    expect(codeOf(() => files.forReading(inside('album/secret'), root))).toBe('ERR_UNSAFE_PATH');
    expect(readdirSync(join(folder.path, 'outside'))).toEqual(['secret']);
  });

  test('a file that is a link is refused wherever it leads', () => {
    writeFileSync(inside('own'), 'own');
    symlinkSync(join(folder.path, 'outside', 'secret'), inside('out'));
    symlinkSync(inside('own'), inside('in'));
    symlinkSync(join(folder.path, 'outside', 'nothing'), inside('dangling'));
    for (const name of ['out', 'in', 'dangling']) {
      expect(codeOf(() => files.forWriting(inside(name), root, 6, true))).toBe('ERR_UNSAFE_PATH');
      expect(codeOf(() => files.forReading(inside(name), root))).toBe('ERR_UNSAFE_PATH');
    }
    expect(existsSync(join(folder.path, 'outside', 'nothing'))).toBe(false);
  });

  test('a dangling link in place of a folder is refused', () => {
    symlinkSync(join(folder.path, 'outside', 'later'), inside('album'));
    expect(codeOf(() => files.forWriting(inside('album/f'), root, 1, true))).toBe('ERR_UNSAFE_PATH');
    expect(existsSync(join(folder.path, 'outside', 'later'))).toBe(false);
  });

  test('a download folder that is itself reached by a link is fine', () => {
    symlinkSync(root.path, join(folder.path, 'link'));
    const linked = { path: join(folder.path, 'link'), known: null };
    files.forWriting(join(linked.path, 'a/f'), linked, 3, true);
    expect(statSync(inside('a/f')).size).toBe(3);
  });

  test('a folder beside the download folder whose name begins alike is outside', () => {
    mkdirSync(`${root.path}-evil`);
    symlinkSync(`${root.path}-evil`, inside('album'));
    expect(codeOf(() => files.forWriting(inside('album/f'), root, 1, true))).toBe('ERR_UNSAFE_PATH');
  });

  test('a folder, a FIFO or a device in place of a file is refused without waiting', () => {
    mkdirSync(inside('folder'));
    expect(spawnSync('mkfifo', [inside('fifo')]).status).toBe(0);
    for (const name of ['folder', 'fifo']) {
      expect(codeOf(() => files.forWriting(inside(name), root, 6, true))).toBe('ERR_UNSAFE_PATH');
      expect(codeOf(() => files.forReading(inside(name), root))).toBe('ERR_UNSAFE_PATH');
    }
    expect(codeOf(() => files.forReading('/dev/null', null))).toBe('ERR_UNSAFE_PATH');
    expect(files.size).toBe(0);
  });

  test('a file in place of a folder is refused', () => {
    writeFileSync(inside('album'), '');
    expect(codeOf(() => files.forWriting(inside('album/f'), root, 1, true))).toBe('ERR_UNSAFE_PATH');
  });
});

describe('keeping files open', () => {
  test('no more than the capacity, the least recently used goes first', () => {
    const before = openFds();
    for (const name of ['a', 'b', 'c', 'd']) files.forWriting(inside(name), root, 1, true);
    const a = files.forWriting(inside('a'), root, 1, false);
    files.forWriting(inside('e'), root, 1, true);
    expect(files.size).toBe(4);
    expect(openFds()).toBe(before + 4);
    expect(files.forWriting(inside('a'), root, 1, false)).toBe(a);
  });

  test('a file that was read is opened again to be written', () => {
    writeFileSync(inside('f'), '12345');
    files.forReading(inside('f'), root);
    const fd = files.forWriting(inside('f'), root, 5, false);
    writeSync(fd, 'x', 0);
    expect(files.size).toBe(1);
  });

  test('release closes what lies below a path and nothing beside it', () => {
    for (const path of ['t/a', 't/b/c', 't2/a']) files.forWriting(inside(path), root, 1, true);
    files.release(inside('t'));
    expect(files.size).toBe(1);
  });

  test('at the limit of descriptors it closes its own and goes on', () => {
    const faults = new DiskFaults([{ operation: 'open', effect: { errno: 'EMFILE' } }]);
    files = new OpenFiles(4, faults);
    for (const name of ['a', 'b', 'c', 'd']) files.forWriting(inside(name), root, 1, true);
    faults.arm(0, 1);
    files.forWriting(inside('e'), root, 1, true);
    expect(files.size).toBeLessThanOrEqual(3);
    files.closeAll();
    faults.arm(0, 1);
    expect(codeOf(() => files.forWriting(inside('a'), root, 1, false))).toBe('ERR_DISK_IO');
  });

  test('with nothing open it is not the one to keep fewer', () => {
    files = new OpenFiles(4);
    for (let i = 0; i < 8; i++) files.shrink();
    for (const name of ['a', 'b', 'c', 'd']) files.forWriting(inside(name), root, 1, true);
    expect(files.size).toBe(4);
  });

  test('a real limit of 64 descriptors is enough for 500 files', () => {
    const script = new URL('../../dist/node/open-files.js', import.meta.url);
    const code = `
      import { OpenFiles } from ${JSON.stringify(script.href)};
      const files = new OpenFiles(1000);
      const root = { path: ${JSON.stringify(root.path)}, known: null };
      for (let round = 0; round < 2; round++)
        for (let i = 0; i < 500; i++) files.forWriting(root.path + '/t/' + i, root, 1, round === 0);
      console.log('done ' + (files.size > 10 && files.size < 64));`;
    const args = ['--nofile=64', process.execPath, '--input-type=module', '-e', code];
    const { stdout, stderr } = spawnSync('prlimit', args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('done true\n');
    expect(readdirSync(inside('t')).length).toBe(500);
  });
});

function inside(path: string): string {
  return join(root.path, path);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
}

/** The lowest free descriptor tells how many are open, on every Unix. */
function openFds(): number {
  if (existsSync('/proc/self/fd')) return readdirSync('/proc/self/fd').length;
  const fd = openSync('/dev/null', constants.O_RDONLY);
  closeSync(fd);
  return fd;
}
