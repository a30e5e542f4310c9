/**
 * Lets through one after the other, and none while this process is behind with its work: more of it at once, and calls
 * would time out of themselves.
 */
export function createCalm(paceMilliseconds: number): () => Promise<void> {
  let gate = Promise.resolve();
  const untilCalm = async (): Promise<void> => {
    for (let late = true; late; ) {
      const begun = performance.now();
      await new Promise((resolve) => setTimeout(resolve, paceMilliseconds));
      late = performance.now() - begun > paceMilliseconds + lateMilliseconds;
    }
  };
  return () => {
    gate = gate.then(untilCalm);
    return gate;
  };
}

const lateMilliseconds = 80;
