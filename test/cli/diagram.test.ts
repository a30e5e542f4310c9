import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { defineWorkflow, final } from "cauce";
import { z } from "zod";
import { diagram } from "../../src/cli/diagram.ts";
import { cauce, ordersApp, temporaryDirectory, tinyAppSource } from "./support.ts";

describe("diagram", () => {
  it("draws every kind of status and edge", () => {
    const workflow = defineWorkflow({
      name: "claims",
      data: z.object({}),
      initial: "filed",
      statuses: {
        filed: { to: ["held", "paid"], exhausted: "held" },
        held: { to: ["paid"], waits: true, expires: { afterSeconds: 5_400, to: "paid" } },
        paid: final,
      },
    });
    assert.equal(
      diagram(workflow),
      `---
title: claims
---
stateDiagram-v2
  [*] --> filed
  filed --> held
  filed --> paid
  filed --> held : attempts exhausted
  held --> paid
  held --> paid : expires after 90 min
  paid --> [*]
  classDef handled fill:#dbeafe,stroke:#2563eb,color:#1e3a8a
  classDef waiting fill:#fef3c7,stroke:#d97706,color:#78350f,stroke-dasharray:5 3
  classDef final fill:#e5e7eb,stroke:#6b7280,color:#111827,stroke-width:3px
  class filed handled
  class held waiting
  class paid final
`,
    );
  });

  it("gives a status another id where Mermaid would read its name as a word of its own", () => {
    const workflow = defineWorkflow({
      name: "claims",
      data: z.object({}),
      initial: "state",
      statuses: { state: { to: ["end"] }, end: final },
    });
    const text = diagram(workflow);
    assert.match(text, /\[\*\] --> state_\n/);
    assert.match(text, /state "end" as end_\n/);
    assert.match(text, / state_ --> end_\n/);
    assert.match(text, / class state_ handled\n/);
  });
});

describe("cauce diagram", () => {
  it("prints the diagram of an app", async (t) => {
    const { code, stdout, stderr } = await cauce(t, ["diagram", ordersApp]).ended;
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.match(stdout, /^---\ntitle: orders\n---\nstateDiagram-v2\n/);
    assert.match(stdout, / review --> rejected : expires after 3 d\n/);
  });

  it("prints one for each of several apps", async (t) => {
    const directory = temporaryDirectory(t);
    const file = (name: string) => join(directory, name);
    writeFileSync(file("tiny.ts"), tinyAppSource());
    const orders = JSON.stringify(new URL(`file://${ordersApp}`).href);
    writeFileSync(file("both.ts"), `import tiny from "./tiny.ts"; import o from ${orders}; export default [tiny, o];`);
    const { stdout } = await cauce(t, ["diagram", file("both.ts")]).ended;
    assert.deepEqual(
      [...stdout.matchAll(/^title: (.+)$/gm)].map(([, title]) => title),
      ["tiny", "orders"],
    );
  });

  it("says in one line which app does not load", async (t) => {
    const { code, stderr } = await cauce(t, ["diagram", "gone.ts"]).ended;
    assert.equal(code, 1);
    assert.match(stderr, /^app_not_loadable: gone\.ts: [^\n]+\n$/);
  });
});
