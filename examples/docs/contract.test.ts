import { test } from "node:test";
import { type BackendUnderTest, describeBackend, memory } from "cauce/testing";

// #region contract
// Put your backend in the place of memory. Each case opens it on an empty store of its own.
const open: BackendUnderTest["open"] = async ({ clock, delivery }) => {
  const backend = memory({ clock, delivery });
  return { backend, remove: () => backend.close() };
};

describeBackend(test, "mine", { open, survives: "nothing" });
// #endregion
