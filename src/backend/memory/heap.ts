/** A binary heap: the item that comes before all others is at the top. */
export interface Heap<T> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  pop(): T | undefined;
}

export function heap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const at = (index: number): T => items[index] as T;
  const swap = (a: number, b: number) => {
    const held = at(a);
    items[a] = at(b);
    items[b] = held;
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      let index = items.push(item) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!before(at(index), at(parent))) break;
        swap(index, parent);
        index = parent;
      }
    },
    peek() {
      return items[0];
    },
    pop() {
      if (items.length <= 1) return items.pop();
      const top = items[0];
      items[0] = items.pop() as T;
      let index = 0;
      for (;;) {
        const left = 2 * index + 1;
        const right = left + 1;
        let first = index;
        if (left < items.length && before(at(left), at(first))) first = left;
        if (right < items.length && before(at(right), at(first))) first = right;
        if (first === index) return top;
        swap(index, first);
        index = first;
      }
    },
  };
}
