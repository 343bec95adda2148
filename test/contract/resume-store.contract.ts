import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StorageError } from '../../src/errors.ts';
import type { ResumeStore } from '../../src/ports.ts';
import { utf8 } from '../../src/util/bytes.ts';

/** A world with an empty store. */
export interface ResumeWorld {
  /** Opens the store; what was saved before is there. */
  open(): ResumeStore;
  /** Starts something and lets time pass until it calls back. */
  wait<T>(start: (done: (value: T) => void) => void): Promise<T>;
  end(): Promise<void>;
}

export function resumeStoreContract(name: string, makeWorld: () => ResumeWorld): void {
  describe(`the resume store contract, ${name}`, () => {
    let world: ResumeWorld;
    let store: ResumeStore;

    beforeEach(() => {
      world = makeWorld();
      store = world.open();
    });
    afterEach(() => world.end());

    const load = (key: string): Promise<Uint8Array | null> => world.wait((done) => store.load(key, done));
    const save = (key: string, text: string): Promise<StorageError | null> =>
      world.wait((done) => store.save(key, utf8(text), done));
    const remove = (key: string): Promise<null> => world.wait((done) => store.remove(key, () => done(null)));
    const textOf = async (key: string): Promise<string | null> => {
      const bytes = await load(key);
      return bytes && Buffer.from(bytes).toString();
    };

    test('has nothing under a key that was never saved', async () => {
      expect(await load('00')).toBe(null);
    });

    test('gives back what was saved last, also to the next store', async () => {
      expect(await save('ab12', 'first')).toBe(null);
      expect(await textOf('ab12')).toBe('first');
      expect(await save('ab12', 'second, and longer')).toBe(null);
      store = world.open();
      expect(await textOf('ab12')).toBe('second, and longer');
      expect(await save('ab12', '')).toBe(null);
      expect(await textOf('ab12')).toBe('');
    });

    test('keeps keys apart', async () => {
      await Promise.all([save('aa', 'one'), save('ab', 'two')]);
      await remove('aa');
      expect([await textOf('aa'), await textOf('ab')]).toEqual([null, 'two']);
    });

    test('of saves at once the one asked for last wins, and all are answered', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => save('c0', `save ${i}`)));
      expect(answers).toEqual(answers.map(() => null));
      expect(await textOf('c0')).toBe('save 19');
    });

    test('removing what is not there is fine', async () => {
      await remove('dd');
      expect(await load('dd')).toBe(null);
    });

    test('nothing is called back in the turn it was asked in', async () => {
      let isThisTurn = true;
      const answers = Promise.all([
        world.wait<boolean>((done) => store.save('ee', utf8('x'), () => done(isThisTurn))),
        world.wait<boolean>((done) => store.load('ee', () => done(isThisTurn))),
        world.wait<boolean>((done) => store.remove('ff', () => done(isThisTurn))),
      ]);
      isThisTurn = false;
      expect(await answers).toEqual([false, false, false]);
    });
  });
}
