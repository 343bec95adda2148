import { describe, expect, test } from 'vitest';
import { SparseMap } from '../../src/util/sparse-map.ts';

describe('a sparse map', () => {
  test('is empty to every question before something is put in', () => {
    const map = new SparseMap<number, string>();
    expect([map.size, map.get(1), map.has(1), map.delete(1)]).toEqual([0, undefined, false, false]);
    expect([[...map], [...map.keys()], [...map.values()]]).toEqual([[], [], []]);
  });

  test('does what a Map does, also after it was cleared', () => {
    const map = new SparseMap<number, string>();
    const model = new Map<number, string>();
    for (let i = 0; i < 500; i++) {
      const key = (i * 7) % 31;
      if (i % 97 === 96) {
        map.clear();
        model.clear();
      } else if (i % 3 === 0) expect(map.delete(key)).toBe(model.delete(key));
      else {
        map.set(key, `${i}`);
        model.set(key, `${i}`);
      }
      expect([...map]).toEqual([...model]);
      expect([...map.keys()]).toEqual([...model.keys()]);
      expect([...map.values()]).toEqual([...model.values()]);
      expect([map.size, map.has(key), map.get(key)]).toEqual([model.size, model.has(key), model.get(key)]);
    }
  });
});
