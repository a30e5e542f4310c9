/**
 * Wraps a callback from outside, such as a log or an observer, so that the work that it is told of goes on. What the
 * callback throws, or what its promise rejects with, goes to `failed`.
 */
export function unfailing<First, Second = never>(
  callback: (first: First, second: Second) => unknown,
  failed: (error: unknown) => void,
): (first: First, second: Second) => void {
  return (first, second) => {
    try {
      const returned = callback(first, second) as { then?: unknown } | null | undefined;
      if (typeof returned?.then === "function") returned.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  };
}
