import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { sqlite } from "../../src/backend/sqlite/index.ts";
import { temporaryDirectory } from "../backend/sqlite/support.ts";
import { atEnd } from "../engine/support.ts";
import { describeStored } from "./goesOn.ts";
import { namesOf, workflow } from "./reading.ts";

for (const delivery of ["standard", "fifo"] as const) {
  describeStored("sqlite", delivery, async (t) => {
    const { directory, remove } = temporaryDirectory();
    atEnd(t, remove);
    const stored = readFileSync(namesOf("sqlite", delivery).stored);
    writeFileSync(join(directory, `${workflow}.db`), gunzipSync(stored));
    return sqlite({ directory });
  });
}
