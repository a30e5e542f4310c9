// This file is plain JavaScript on purpose. It must run, and say what is wrong, on a Node that is too old for the rest.
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  console.error(
    `node_too_old: Cauce needs Node 24 or newer and this is ${process.version}; run "npm ci" with install scripts allowed (it brings Node 24 for npm scripts), or install Node 24.`,
  );
  process.exit(1);
}
