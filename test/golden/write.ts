// `npm run golden` imports this before the tests: they write the files that they otherwise compare.
process.env.GOLDEN_FILES = "write";
