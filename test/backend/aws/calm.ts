/**
 * Lets callers through one after the other, and none while this process is late with its timers. More load at once
 * would make calls time out.
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
