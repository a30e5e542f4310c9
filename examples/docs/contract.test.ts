import { test } from "node:test";
import { type BackendUnderTest, describeBackend, memory } from "cauce/testing";

// #region contract
// Yours instead of memory: opened on an empty store of its own for each case.
const open: BackendUnderTest["open"] = async ({ clock, delivery }) => {
  const backend = memory({ clock, delivery });
  return { backend, remove: () => backend.close() };
};

describeBackend(test, "mine", { open, survives: "nothing" });
// #endregion
