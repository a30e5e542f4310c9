/** A map for values that come and go by the thousand each second. Iterates in no particular order. */
export interface ShortLivedMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  clear(): void;
  values(): V[];
}

/**
 * A `Map` makes a new table each time that its entries have been replaced, and leaves the old one with references to
 * the values that were in it then. Where those tables reach the old generation, they keep dead values alive until a
 * full collection: measured at half of everything that was ever promoted. Here the tables hold places, which are small
 * integers, and a place forgets its value at once.
 */
export function createShortLivedMap<K, V>(): ShortLivedMap<K, V> {
  const places = new Map<K, number>();
  const values: (V | undefined)[] = [];
  const free: number[] = [];

  return {
    get(key) {
      const place = places.get(key);
      return place === undefined ? undefined : values[place];
    },
    set(key, value) {
      const place = places.get(key) ?? free.pop() ?? values.length;
      places.set(key, place);
      values[place] = value;
    },
    delete(key) {
      const place = places.get(key);
      if (place === undefined) return;
      places.delete(key);
      values[place] = undefined;
      free.push(place);
    },
    clear() {
      places.clear();
      values.length = 0;
      free.length = 0;
    },
    values: () => [...places.values()].map((place) => values[place] as V),
  };
}
