import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { description } from "../../src/cli/output.ts";
import { run } from "../package/support.ts";
import { readPage, readText, root, tableRows } from "./markdown.ts";
import { commandsOf, fencesOf, screenOf } from "./screen.ts";

const wordsMax = 25;

const english = readPage("README.md");
const spanish = readPage("README.es.md");

describe("the first screen", () => {
  for (const page of [english, spanish]) {
    it(`says in one sentence what Cauce is, and in five lines why (${page.path})`, () => {
      const screen = screenOf(page);
      const at = screen.findIndex((line) => line.startsWith("Cauce "));
      const sentence = screen[at] ?? "";
      assert.match(sentence, /^Cauce [^.:;]+\.$/);
      const words = sentence.split(/\s+/).length;
      assert.ok(words <= wordsMax, `${words} words`);
      assert.deepEqual([screen[at - 1], screen[at + 1], screen[at + 7]], ["", "", ""]);
      for (const line of screen.slice(at + 2, at + 7)) assert.match(line, /^- \*\*[^*]+\.\*\* \S/);
    });

    it(`has a picture, two lines for a checkout, one curl, and a line that makes a project (${page.path})`, () => {
      assert.equal(fencesOf(page, "mermaid").length, 1);
      const commands = commandsOf(page).map((line) => line.replace(/ +#.*/, ""));
      assert.deepEqual(commands.slice(0, 2), ["npm ci && npm start", "npm ci && npm test"]);
      assert.match(commands[2] ?? "", /^curl -i /);
      assert.match(commands[3] ?? "", /^npm run cauce -- init \.\.\/shop && cd \.\.\/shop && npm install /);
      assert.equal(commands.length, 4);
    });

    it(`says that no registry has the package, and where the package is instead (${page.path})`, () => {
      const screen = screenOf(page).join("\n");
      assert.match(
        screen,
        page === english ? /\*\*not on the npm registry yet\*\*/ : /\*\*todavía no está en el registro/,
      );
      for (const span of [`../shop/cauce-${description().version}.tgz`, `file:cauce-${description().version}.tgz`]) {
        assert.ok(screen.includes(`\`${span}\``), span);
      }
      assert.doesNotMatch(page.text, /npx cauce init/);
    });
  }

  it("draws the transitions that cauce diagram draws, and no others", async () => {
    const [picture] = fencesOf(english, "mermaid");
    const [, app = ""] = /^picture: (.+)$/.exec(picture?.comment ?? "") ?? [];
    const drawn = await run(root, process.execPath, "--conditions=source", "bin/cauce.js", "diagram", app);
    const moves = [...drawn.matchAll(/^ +(\w+) --> (\w+)/gm)].map(([, from, to]) => `${from} --> ${to}`);
    const kind = (name: string) => new RegExp(`^ +class (.+) ${name}$`, "m").exec(drawn)?.[1]?.split(", ") ?? [];
    const { edges, hexagons, rounds } = readPicture(picture?.body ?? "");
    assert.ok(edges.length > 5);
    assert.deepEqual(edges.toSorted(), [...new Set(moves)].toSorted());
    assert.deepEqual(hexagons.toSorted(), kind("waiting").toSorted());
    assert.deepEqual(rounds.toSorted(), kind("final").toSorted());
  });

  it("has a picture that readPicture understands, and readPicture refuses others", () => {
    assert.deepEqual(readPicture("flowchart LR\n  a --> b{{b}} & c([c])\n  b --> c"), {
      edges: ["a --> b", "a --> c", "b --> c"],
      hexagons: ["b"],
      rounds: ["c"],
    });
    assert.throws(() => readPicture("flowchart LR\n  a --> b[x]"), /no picture/);
    assert.throws(() => readPicture("flowchart LR\n  a --> b([c])"), /no picture/);
  });

  it("has four numbers, each equal to the number on the page that it links to", () => {
    const lastRun = sectionOf("bench/README.md", "Last run");
    const figures = tableRows(lastRun, "row", "completed/s", "rounds", "POST p99 ms", "idle p50 ms");
    const [, completed = "", , , idle = ""] = figures.find(([row]) => row === "Cauce") ?? [];
    const [fullBatches = ""] = sectionOf("docs/costs.md", "A million orders").split("Batches of one");
    const [, million = ""] =
      tableRows(fullBatches, "handled statuses", "0.2 KB").find(([count]) => count === "3") ?? [];
    const months = tableRows(sectionOf("docs/costs.md", "A month without an order"), "handled statuses");
    const month = months.find(([count]) => count === "3")?.at(-1) ?? "";
    for (const number of [completed, idle, million, month]) assert.match(number, /^\d[\d,.]*$/);

    const inSpanish = (number: string) => number.replace(/[.,]/g, (mark) => (mark === "." ? "," : "."));
    const links = ["bench/README.md#last-run", "bench/README.md#last-run"];
    links.push("docs/costs.md#a-million-orders", "docs/costs.md#a-month-without-an-order");
    for (const [page, numbers] of [
      [english, [`${completed} a second`, `${idle} ms`, `$${million}`, `$${month} a month`]],
      [spanish, [completed, idle, million, month].map(inSpanish)],
    ] as const) {
      const table = screenOf(page).filter((line) => line.startsWith("| "));
      assert.equal(table.length, 3);
      const [shown = [], , meanings = []] = table.map((line) => line.split("|").slice(1, -1));
      if (page === english)
        assert.deepEqual(
          shown.map((cell) => cell.trim()),
          numbers,
        );
      else
        assert.deepEqual(
          shown.map((cell) => /\d[\d,.]*/.exec(cell)?.[0]),
          numbers,
        );
      assert.deepEqual(
        meanings.map((meaning) => /\]\((.+?)\)/.exec(meaning)?.[1]),
        links,
      );
    }
  });
});

/** Gives the part of a page below a heading of the second level. */
function sectionOf(path: string, heading: string): string {
  const [, section] = readText(path).split(`\n## ${heading}\n`);
  assert.ok(section !== undefined, `${path} has ${heading}`);
  return section.split("\n## ")[0] ?? "";
}

/** Reads a flowchart's transitions, its hexagons and its nodes with round ends. */
function readPicture(body: string) {
  const [first, ...lines] = body.split("\n");
  assert.equal(first, "flowchart LR");
  const hexagons: string[] = [];
  const rounds: string[] = [];
  const nameOf = (node: string): string => {
    const [, name, shape = ""] = /^(\w+)(\W.*)?$/.exec(node.trim()) ?? [];
    if (name === undefined || !["", `{{${name}}}`, `([${name}])`].includes(shape))
      throw new Error(`no picture: ${node}`);
    if (shape.startsWith("{")) hexagons.push(name);
    if (shape.startsWith("(")) rounds.push(name);
    return name;
  };
  const edges = lines.flatMap((line) => {
    const [from = "", to = "", ...more] = line.split(" --> ");
    assert.deepEqual(more, []);
    const start = nameOf(from);
    return to.split(" & ").map((node) => `${start} --> ${nameOf(node)}`);
  });
  return { edges, hexagons, rounds };
}
