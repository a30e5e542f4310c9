import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, it } from "node:test";
import { defineWorkflow, errorCodes, final } from "cauce";
import { memory } from "cauce/testing";
import type { Command } from "commander";
import { z } from "zod";
import { settingsPage } from "../scripts/reference.ts";
import { diagram } from "../src/cli/diagram.ts";
import { loadApp } from "../src/cli/loadApp.ts";
import { createProgram } from "../src/cli/main.ts";
import { defaultRetry, retryDelaySeconds } from "../src/core/errors.ts";
import { httpStatusOf } from "../src/http/problem.ts";
import { units } from "../src/lambda/metrics.ts";
import { duties, rowsOf, settings } from "../src/node/settings.ts";
import { lockedPackages } from "./docs/lock.ts";
import { anchorOf, type Page, readPage, readPages, readText, regionOf, root, tableRows } from "./docs/markdown.ts";
import { storeFacts } from "./docs/store.ts";

// Every name in the docs exists, and their code blocks show what the code does. test/docs runs the README's first
// screen, the tours and the samples.

const pages = readPages();
const facts = await storeFacts();
const text = (code: string) => code.replaceAll("\\|", "|");

/** Splits a page's inline code and shell blocks into words. */
function wordsOf(page: Page): string[] {
  const shells = page.fences.filter(({ language }) => language === "sh" || language === "console" || language === "");
  return [...page.spans, ...shells.map(({ body }) => body)].flatMap((code) => code.split(/[\s'"()[\]{},;=]+/));
}

/** Gives every word of code in the docs that the pattern matches, with its page. */
function named(pattern: RegExp): { name: string; page: string }[] {
  return pages.flatMap((page) =>
    wordsOf(page).flatMap((word) => {
      const name = pattern.exec(word)?.[0];
      return name === undefined ? [] : [{ name, page: page.path }];
    }),
  );
}

function assertKnown(
  found: readonly { name: string; page: string }[],
  known: Iterable<string>,
  countMin: number,
): void {
  const all = new Set(known);
  assert.ok(found.length >= countMin, `the docs name ${found.length}, and should name at least ${countMin}`);
  assert.deepEqual(
    found.filter(({ name }) => !all.has(name)),
    [],
  );
}

describe("a code block of the docs", () => {
  const fences = pages.flatMap((page) => page.fences);

  it("has no marks of a merge", () => {
    const marked = pages.filter(({ path }) => /^(<{7}|={7}|>{7})( |$)/m.test(readText(path)));
    assert.deepEqual(
      marked.map(({ path }) => path),
      [],
    );
  });

  it("is a file or a region of one where it is TypeScript or a sample", () => {
    const code = /^(ts|typescript|js|javascript|tsx)$/;
    const samples = fences.filter(({ language, comment }) => code.test(language) || comment.startsWith("sample: "));
    assert.ok(samples.length > 10);
    for (const { body, comment, at } of samples) {
      const [, path = "", region] = /^sample: ([^#\s]+)(?:#(\S+))?$/.exec(comment) ?? [];
      assert.ok(path.startsWith("examples/"), `${at}: the line before names the sample's source`);
      const source = readText(path);
      assert.equal(body, region === undefined ? source.trim() : regionOf(source, region), at);
    }
  });

  it("is what cauce diagram prints where it is an app's diagram", async () => {
    const drawings = fences.filter(({ comment }) => comment.startsWith("diagram: "));
    assert.ok(drawings.length > 1);
    for (const { body, comment, at } of drawings) {
      const apps = await loadApp(join(root, comment.slice("diagram: ".length)));
      assert.equal(body, apps.map(({ workflow }) => diagram(workflow).trimEnd()).join("\n"), at);
    }
  });

  it("has a language, for syntax colouring", () => {
    assert.deepEqual(
      fences.filter(({ language, at }) => language === "" && !at.startsWith("docs/reference/")).map(({ at }) => at),
      [],
    );
  });

  it("has a known comment before it, and no comment stands alone", () => {
    const known = /^(sample: |diagram: |picture: |tour$|walk$|applied: )/;
    for (const { path, text } of pages) {
      const comments = [...text.matchAll(/<!-- (.*?) -->/g)].map(([, comment = ""]) => comment);
      const used = fences.filter(({ at, comment }) => at.startsWith(`${path}:`) && known.test(comment)).length;
      // CONTRIBUTING names such comments in inline code.
      const told =
        pages.find((page) => page.path === path)?.spans.filter((span) => span.startsWith("<!-- ")).length ?? 0;
      assert.equal(comments.length, used + told, path);
    }
  });
});

describe("names in the docs", () => {
  it("every link of the docs leads to a file, and to a heading of it", () => {
    const anchors = new Map(
      pages.map(({ path, text }) => [
        path,
        [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading)),
      ]),
    );
    for (const { path, links } of pages) {
      for (const link of links) {
        if (/^https:\/\//.test(link)) continue;
        const [to = "", anchor] = link.split("#");
        const target = to === "" ? path : posix.join(dirname(path), to);
        assert.ok(existsSync(join(root, target)), `${path} links to ${link}`);
        if (anchor !== undefined) assert.ok(anchors.get(target)?.includes(anchor), `${path} links to ${link}`);
      }
    }
  });

  it("every file and folder that the docs name exists", () => {
    const found = named(/^(src|test|examples|docs|bench|scripts|bin|\.ci)\/[\w./-]*[\w/]$/);
    assert.ok(found.length > 30);
    // A run makes this folder, which git ignores.
    const made = ["bench/cauce-data"];
    for (const { name, page } of found) {
      assert.ok(made.includes(name) || existsSync(join(root, name)), `${page} names ${name}`);
    }
    const files = readdirSync(join(root, "src"), { recursive: true }).map((file) => `/${String(file)}`);
    for (const page of pages.filter(({ path }) => /^docs\/(architecture|embedded)\.md$/.test(path))) {
      for (const span of page.spans.filter((span) => /^[\w/.-]+\.ts$/.test(span) && !existsSync(join(root, span)))) {
        assert.ok(
          files.some((file) => file.endsWith(`/${span}`)),
          `${page.path} names ${span}`,
        );
      }
    }
  });

  it("every npm script that the docs name exists", () => {
    const { scripts } = JSON.parse(readText("package.json")) as { scripts: Record<string, string> };
    const found = pages.flatMap(({ path: page, text }) =>
      [...text.matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)].map(([, run, own]) => ({
        name: run ?? own ?? "",
        page,
      })),
    );
    assertKnown(found, Object.keys(scripts), 10);
  });

  it("every error code, metric, column, table and index that the docs name exists", () => {
    const pragmas = [
      "journal_mode",
      "wal_autocheckpoint",
      "user_version",
      "integrity_check",
      "quick_check",
      "secure_delete",
      "locking_mode",
    ];
    const found = named(/^[a-z]+(?:_[a-z]+)+$/);
    const writerSource = ["keys", "remove"].map((name) => readText(`src/backend/sqlite/writer/${name}.ts`)).join();
    const metrics = readText("src/http/metrics.ts").match(/(?<=")(?:cauce|process)_[a-z_]+(?=")/g) ?? [];
    const labels = ["in_flight"];
    const ofMeta = ["keys_indexed", "last_removed"].filter((name) => writerSource.includes(`'${name}'`));
    const known = [
      ...Object.keys(errorCodes),
      ...facts.names,
      ...pragmas,
      ...metrics,
      ...labels,
      ...ofMeta,
      "node_modules",
    ];
    assertKnown(found, known, 50);
  });

  it("every flag that the docs name exists", () => {
    const program = createProgram([], { out: () => {}, err: () => {} });
    const everywhere = ["--help", "--version"];
    const scripts = [
      ...["bench/run.ts", "bench/aws/init.ts", "bench/aws/emulate.ts"],
      ...[
        "scripts/crash.ts",
        "scripts/chaosAws.ts",
        "scripts/testCalm.ts",
        "scripts/structure.ts",
        "scripts/orderWay.ts",
      ],
    ];
    const ofScripts = scripts.flatMap((path) => readText(path).match(/--[a-z][a-z-]*/g) ?? []);
    const ofNode = ["--conditions", "--test", "--max-semi-space-size", "--watch-kill-signal", "--watch-path"];
    // Flags of useradd, npm, systemctl, journalctl and curl in docs/service.md, and of cdk in docs/deploying.md.
    const ofOthers =
      "--app --system --home-dir --shell --omit --now --since --retry --retry-connrefused --retry-delay --ignore-scripts --pack-destination";
    const ofEsbuild =
      "--bundle --minify --platform --target --format --main-fields --outfile --banner --external --packages";
    const known = [
      ...flagsOf(program),
      ...everywhere,
      ...ofScripts,
      ...ofNode,
      ...ofOthers.split(" "),
      ...ofEsbuild.split(" "),
    ];
    assertKnown(named(/^--[a-z][\w-]*/), known, 20);
  });

  it("every variable that the docs name exists", () => {
    const known = Object.values(settings).map(({ variable }) => variable);
    assertKnown(named(/^CAUCE_[A-Z_]*[A-Z]$/), known, 10);
  });

  it("docs/reference/settings.md names every variable of the functions", () => {
    const rows = tableRows(readPage("docs/reference/settings.md").text, "function", "variables");
    const named = rows.flatMap(([, variables = ""]) => variables.replaceAll("`", "").split(", "));
    assert.deepEqual(
      [...new Set(named)].toSorted(),
      Object.values(rowsOf(...duties))
        .map(({ variable }) => variable)
        .toSorted(),
    );
  });

  it("docs/aws.md names every metric of the functions, with its unit", () => {
    const rows = tableRows(
      readPage("docs/aws.md").text,
      "metric",
      "unit",
      "dimensions",
      "written by",
      "what it counts",
    );
    const named = rows.map(([metric = "", unit = ""]) => [metric.replaceAll("`", ""), unit]);
    assert.deepEqual(Object.fromEntries(named), units);
  });
});

function flagsOf(command: Command): string[] {
  return [...command.options.flatMap(({ long }) => long ?? []), ...command.commands.flatMap(flagsOf)];
}

describe("docs/architecture.md", () => {
  const page = readPage("docs/architecture.md");

  it("has the glossary of src/core/order.ts", () => {
    const glossary = /^\/\*\*\n([\s\S]*?)\*\//.exec(readText("src/core/order.ts"))?.[1] ?? "";
    const words = new Map<string, string>();
    for (const line of glossary.split("\n").map((line) => line.replace(/^ \* ?/, ""))) {
      const [, word, meaning] = /^(\w+) {2,}(.+)$/.exec(line) ?? [];
      const last = [...words.keys()].at(-1);
      if (word !== undefined && meaning !== undefined) words.set(word, meaning);
      else if (/^ {4,}\S/.test(line) && last !== undefined) words.set(last, `${words.get(last)} ${line.trim()}`);
    }
    const rows = tableRows(page.text, "word", "meaning").map(([word, meaning = ""]) => [
      word,
      meaning.replace(/[*_]/g, ""),
    ]);
    assert.ok(words.size > 10);
    assert.deepEqual(rows, [...words]);
  });

  it("has every law, and every method of the port", () => {
    const laws = [...page.text.matchAll(/^(\d+)\. \*\*/gm)].slice(0, 12).map(([, number]) => Number(number));
    assert.deepEqual(
      laws,
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    assert.equal(readdirSync(join(root, "src/testing/contract")).filter((name) => /^law\d/.test(name)).length, 12);
    const methods = tableRows(page.text, "method", "promise").map(([method = ""]) => method.replaceAll("`", ""));
    const { where: _, delivery: _delivery, ...port } = memory();
    assert.deepEqual(methods.sort(), Object.keys(port).sort());
  });

  it("has every folder of src", () => {
    const folders = readdirSync(join(root, "src")).filter((name) => statSync(join(root, "src", name)).isDirectory());
    for (const folder of folders) assert.ok(page.text.includes(`\`src/${folder}\``), folder);
  });
});

describe("docs/writing-a-workflow.md", () => {
  const page = readPage("docs/writing-a-workflow.md");

  it("names types that data may have, and types that it may not have", () => {
    const rows = tableRows(page.text, "taken");
    assert.ok(rows.length > 4);
    const define = (expression: string) => {
      const schema = new Function("z", `return ${expression}`)(z) as z.ZodType;
      defineWorkflow({
        name: "typed",
        data: z.object({ field: schema }),
        initial: "open",
        statuses: { open: { to: ["done"] }, done: final },
      });
    };
    const expressions = (cell = "") => [...cell.matchAll(/`(z\..+?)`/g)].map(([, expression = ""]) => text(expression));
    for (const [taken, refused] of rows) {
      assert.ok(expressions(taken).length > 0 && expressions(refused).length > 0);
      for (const expression of expressions(taken)) define(expression);
      for (const expression of expressions(refused)) {
        assert.throws(() => define(expression), { code: "schema_unsupported" }, expression);
      }
    }
  });
});

describe("docs/retries.md", () => {
  const page = readPage("docs/retries.md");

  it("prints the delays of the default policy", () => {
    const rows = tableRows(page.text, "after failed attempt");
    let sum = 0;
    const expected = rows.map((_, index) => {
      const ceiling = retryDelaySeconds(defaultRetry, index + 1, () => 1);
      sum += ceiling;
      return [String(index + 1), ...[ceiling, sum, sum / 2].map(duration)];
    });
    assert.ok(rows.length > defaultRetry.attempts);
    assert.deepEqual(rows, expected);
    const { attempts, baseSeconds, maxSeconds } = defaultRetry;
    assert.ok(
      page.text.includes(`{ attempts: ${attempts}, baseSeconds: ${baseSeconds}, maxSeconds: ${maxSeconds} }`),
      "the policy itself",
    );
  });
});

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds - 60 * minutes;
  return [minutes > 0 ? `${minutes} min` : "", rest > 0 ? `${rest} s` : ""].filter(Boolean).join(" ");
}

describe("docs/embedded.md", () => {
  const page = readPage("docs/embedded.md");

  it("has every table, column and index of the store", () => {
    for (const name of facts.names) assert.ok(page.spans.includes(name), `docs/embedded.md names ${name}`);
  });

  it("has the limits and numbers of the code", () => {
    for (const [what, number] of facts.numbers) {
      assert.ok(page.text.includes(number), `docs/embedded.md says that ${what} is ${number}`);
    }
  });
});

describe("docs/decisions/dependencies.md", () => {
  it("has every dependency, with its licence and the number of packages that it brings", () => {
    const page = readText("docs/decisions/dependencies.md");
    const rows = tableRows(page, "package", "licence").map(([name = "", licence = "", , brings = ""]) => ({
      name: /`(.+?)`/.exec(name)?.[1] ?? "",
      licence,
      packages: /\b(\d+) packages/.exec(brings)?.[1],
    }));
    const locked = [...lockedPackages("."), ...lockedPackages("bench")];
    assert.deepEqual(rows.map(({ name }) => name).sort(), locked.map(({ name }) => name).sort());
    for (const { name, licence, packages } of rows) {
      const found = locked.find((each) => each.name === name);
      assert.equal(licence, found?.licence, `the licence of ${name}`);
      if (packages !== undefined) assert.equal(Number(packages), found?.brings, `what ${name} brings along`);
    }
  });
});

describe("docs/reference/settings.md", () => {
  it("is what npm run reference writes from the table of settings", () => {
    assert.equal(readText("docs/reference/settings.md"), settingsPage());
  });
});

describe("docs/reference/errors.md", () => {
  it("has every code once, with its status and its meaning", () => {
    const page = readPage("docs/reference/errors.md");
    const rows = tableRows(page.text, "code", "status", "meaning", "where it is met", "what to do");
    const expected = Object.entries(errorCodes).map(([code, meaning]) => {
      return [`\`${code}\``, String((httpStatusOf as Readonly<Record<string, number>>)[code] ?? ""), meaning];
    });
    assert.deepEqual(rows.map((row) => row.slice(0, 3)).sort(), expected.sort());
    for (const row of rows) assert.ok(row.length === 5 && row.every((cell, at) => at === 1 || cell !== ""), row[0]);
  });
});

describe("README.es.md", () => {
  it("has as many headings as README.md, the same code and the same links", () => {
    const [english, spanish] = [readPage("README.md"), readPage("README.es.md")];
    const levels = ({ text }: Page) => [...text.matchAll(/^(#+) /gm)].map(([, level]) => level);
    const codes = ({ fences }: Page) => fences.map(({ language, comment, body }) => ({ language, comment, body }));
    // A heading's anchor differs between languages, and each page links to the other.
    const targets = ({ links }: Page) =>
      links.filter((link) => !/^README(\.es)?\.md$/.test(link)).map((link) => link.replace(/^#.*/, "#"));
    assert.deepEqual(levels(spanish), levels(english));
    assert.deepEqual(codes(spanish), codes(english));
    assert.deepEqual(targets(spanish).sort(), targets(english).sort());
    assert.deepEqual(
      spanish.spans.filter((span) => !english.spans.includes(span)),
      [],
    );
    assert.ok(spanish.links.includes("README.md") && english.links.includes("README.es.md"));
    const { files } = JSON.parse(readText("package.json")) as { files: string[] };
    assert.ok(files.includes("README.md") && files.includes("README.es.md"));
  });
});

describe("docs/README.md", () => {
  it("leads to every page", () => {
    const { links } = readPage("docs/README.md");
    for (const { path } of pages.filter(
      ({ path }) => path.startsWith("docs/") && !path.startsWith("docs/decisions/"),
    )) {
      if (path !== "docs/README.md") assert.ok(links.includes(posix.relative("docs", path)), path);
    }
  });
});
