import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { findRefusedWords, type Prose, proseIn, unreleasedOf } from "./words/find.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

describe("the prose of the checkout", () => {
  const exclude = ["**/node_modules", "test/golden/files", "test/stored"].flatMap((each) => [each, `${each}/**`]);
  const files = globSync(["*.md", "{src,scripts,bench,bin,templates,examples,test,docs}/**/*.*"], {
    cwd: root,
    exclude,
  })
    .map((path) => path.split(sep).join("/"))
    .sort()
    .flatMap((path) => {
      const prose = proseIn(path);
      return prose === undefined ? [] : [{ path, prose }];
    });

  it("no comment, message or page has a refused word", () => {
    const problems = files.flatMap(({ path, prose }) => {
      const text = path === "CHANGELOG.md" ? unreleasedOf(read(path)) : read(path);
      return findRefusedWords(path, text, prose).map(({ word, line }) => `${path}:${line} says ${word}`);
    });
    assert.deepEqual(problems, []);
  });

  it("every kind of file is searched", () => {
    const paths = files.map(({ path }) => path);
    for (const path of [
      "README.md",
      "CONTRIBUTING.md",
      "CHANGELOG.md",
      "bin/cauce.js",
      "src/index.ts",
      "docs/tour.md",
    ]) {
      assert.ok(paths.includes(path), path);
    }
    for (const folder of ["scripts", "bench", "templates", "examples", "test", "docs/decisions"]) {
      assert.ok(
        paths.some((path) => path.startsWith(`${folder}/`)),
        folder,
      );
    }
  });
});

describe("the search for refused words", () => {
  const finds = (text: string, prose: Prose, ...found: string[]) =>
    assert.deepEqual(
      findRefusedWords("a.ts", text, prose).map(({ word, line }) => `${word} ${line}`),
      found,
    );

  it("each word is found in any case, with its line", () => {
    finds("Whoever\nsomebody NOBODY", "text", "Whoever 1", "somebody 2", "NOBODY 2");
    finds("\nanew mend\nmended", "text", "anew 2", "mend 2", "mended 3");
    finds("he, his (him)", "text", "he 1", "his 1", "him 1");
  });

  it("only whole words are found", () => {
    finds("The amendment of this recommended history; she; himself; tell anyone", "text");
  });

  it("comments, strings and templates of code are searched, and names are not", () => {
    const text = `const nobody = { his: mend }; // Nobody.
      /** Somebody
       * anew. */
      say("he", \`his \${him} mend\`, "a\\nhis");
      const a = /nobody/;`;
    finds(text, "comments and strings", ...["Nobody 1", "Somebody 2", "anew 3", "he 4", "his 4", "mend 4", "his 4"]);
  });

  it("comments and test names of a test are searched, and its data is not", () => {
    const text = `// Nobody.
      it("tells nobody", () => say("he"));
      t.test(\`tells \${a} anew\`, () => {}); describe("a" + "him", run);
      it.skip("mend", run); describe.only("mended", run); test("his", { name: "he" });
      const a = "whoever"; /he/.test("he"); edit("he"); it(nameOf("he"), run);`;
    finds(
      text,
      "comments and test names",
      ...["Nobody 1", "nobody 2", "anew 3", "him 3", "mend 4", "mended 4", "his 4"],
    );
  });

  it("of a changelog only what is not released yet is searched", () => {
    const changelog = "# He\n\n## [Unreleased]\n\n- his\n\n### Added\n\n- him\n\n## [0.1.0]\n\n- mend\n";
    finds(unreleasedOf(changelog), "text", "his 5", "him 9");
    finds(unreleasedOf("# He\n\n## [0.1.0]\n\n- mend\n"), "text");
  });

  const kinds: readonly (readonly [path: string, prose: Prose | undefined])[] = [
    ["src/core/order.ts", "comments and strings"],
    ["bin/cauce.js", "comments and strings"],
    ["scripts/schemathesis_hooks.py", "text"],
    ["templates/README.md", "text"],
    ["examples/import/orders.csv", undefined],
    ["test/core/order.test.ts", "comments and test names"],
    ["test/backend/sqlite/schema1.sql", undefined],
    ["docs/reference/http.md", "text"],
    ["README.md", "text"],
    ["README.es.md", undefined],
    ["docs/tour.es.md", undefined],
    ["package.json", undefined],
  ];
  for (const [path, prose] of kinds) {
    it(`${prose ?? "nothing"} of ${path} is searched`, () => assert.equal(proseIn(path), prose));
  }
});
