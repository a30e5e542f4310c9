// Keeps a core busy until its input ends, which happens when the process that started it ends, however that ends.
const sliceMilliseconds = 20;

process.stdin.on("end", () => process.exit()).resume();
const burn = () => {
  const until = performance.now() + sliceMilliseconds;
  while (performance.now() < until);
  setImmediate(burn);
};
burn();
