import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { atEnd, freePort, post, temporaryDirectory, tinyAppSource } from "../cli/support.ts";
import { waitFor } from "../examples/support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const conditions = process.execArgv.filter((flag) => flag.startsWith("--conditions"));

/** Opens a pipe that nothing reads unless the test does, and gives both of its ends. */
function openPipe(t: TestContext) {
  const path = join(temporaryDirectory(t), "pipe");
  execFileSync("mkfifo", [path]);
  const end = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  atEnd(t, () => closeSync(end));
  // A pipe's mode belongs to each opening of it: the process must not inherit that of the test.
  const written = openSync(path, "w");
  atEnd(t, () => closeSync(written));
  return { end, written };
}

/** Reads what is in a pipe until it has been empty for a while. */
async function readAll(end: number): Promise<string> {
  const buffer = Buffer.alloc(1_048_576);
  let text = "";
  for (let emptyFor = 0; emptyFor < 20; ) {
    try {
      text += buffer.toString("utf8", 0, readSync(end, buffer));
      emptyFor = 0;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
      emptyFor++;
      await delay(10);
    }
  }
  return text;
}

/** Runs `cauce start` with these streams. `fileKibibytes` is the size that no file of the process may pass. */
async function startWith(t: TestContext, app: string, stdio: StdioOptions, fileKibibytes?: number) {
  const port = await freePort();
  const bin = [process.execPath, ...conditions, join(root, "bin/cauce.js")];
  const args = ["start", app, "--port", String(port), "--data", temporaryDirectory(t)];
  // The unit of `ulimit -f` is 512 bytes.
  const limit = fileKibibytes === undefined ? "" : `ulimit -f ${2 * fileKibibytes}; `;
  const child = spawn("sh", ["-c", `${limit}exec "$0" "$@"`, ...bin, ...args], { cwd: root, stdio });
  const ended = once(child, "exit");
  atEnd(t, async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, ended, url: `http://127.0.0.1:${port}` };
}

/** Resolves once the server processes orders. */
async function ready(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isReady) return;
    await delay(20);
  }
  assert.fail(`the server ended with ${child.exitCode ?? child.signalCode}`);
}

async function linesDropped(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^cauce_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
}

/** Writes the small app, whose handler begins with `source`. */
function appWhoseHandler(t: TestContext, source: string): string {
  const file = join(temporaryDirectory(t), "app.ts");
  writeFileSync(
    file,
    tinyAppSource().replace('open: () => "done"', `open: (order, { log }) => { ${source}; return "done"; }`),
  );
  return file;
}

const noDevice = process.platform === "linux" ? false : "only Linux has /dev/full";

describe("cauce start whose standard streams", { concurrency: 3 }, () => {
  it("are on a full disk answers everything after a 503, and ends at SIGTERM with 0", { skip: noDevice }, async (t) => {
    const full = openSync("/dev/full", "w");
    atEnd(t, () => closeSync(full));
    const app = appWhoseHandler(t, 'console.log("a"); console.error("b"); log.info({}, "c")');
    const { child, ended, url } = await startWith(t, app, ["ignore", full, full], 1_024);
    await ready(url, child);
    const first = await post(`${url}/tiny`, { name: "first" });
    const { id } = (await first.json()) as { id: string };
    const placing = () => post(`${url}/tiny`, { name: "n".repeat(100_000) });
    let answer = await placing();
    for (let n = 0; n < 1_000 && answer.status === 202; n++) answer = await placing();
    assert.equal(answer.status, 503);
    assert.equal((await fetch(`${url}/tiny/${id}`)).status, 200);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    await (await fetch(`${url}/readyz`)).text();
    assert.ok((await linesDropped(url)) >= 3);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });

  it("have lost their reader goes on, and ends at SIGTERM with 0", async (t) => {
    const app = appWhoseHandler(t, 'console.log("a"); console.error("b"); log.info({}, "c")');
    const { child, ended, url } = await startWith(t, app, ["ignore", "pipe", "pipe"]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await ready(url, child);
    const placed = await post(`${url}/tiny`, { name: "a" });
    const { id } = (await placed.json()) as { id: string };
    await waitFor(new URL(`${url}/tiny/${id}`), ({ status }) => status === "done");
    while (!((await linesDropped(url)) >= 3)) await delay(20);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });

  it("have a reader that does not read bounds what waits, says what is missing once it reads, and ends at SIGTERM with 0", async (t) => {
    const pipe = openPipe(t);
    // 20 MiB by each of the three ways.
    const source = `for (let n = 0; n < 20; n++) {
      const line = "x".repeat(1_048_576);
      console.log(line);
      console.error(line);
      log.info({ line }, "long");
    }`;
    const app = appWhoseHandler(t, source);
    const { child, ended, url } = await startWith(t, app, ["ignore", pipe.written, pipe.written]);
    await ready(url, child);
    const place = async () => {
      const placed = await post(`${url}/tiny`, { name: "a" });
      const { id } = (await placed.json()) as { id: string };
      await waitFor(new URL(`${url}/tiny/${id}`), ({ status }) => status === "done");
    };
    await place();
    const dropped = await linesDropped(url);
    assert.ok(dropped >= 3 * 10 && dropped < 3 * 21, String(dropped));
    await place();
    assert.ok((await linesDropped(url)) >= dropped + 30);

    await readAll(pipe.end);
    await place();
    const text = await readAll(pipe.end);
    assert.match(text, /^\(\d+ lines dropped\)$/m);
    assert.match(text, /^\{"level":"warn","time":"[^"]+","message":"log lines dropped","lines":\d+\}$/m);

    // The pipe is full once more, and the process ends.
    await place();
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });
});

describe("the library's own log", { concurrency: 3 }, () => {
  const log = JSON.stringify(new URL("../../src/engine/log.ts", import.meta.url).href);
  /** Runs a host that logs at each line of its input, writes how many lines were dropped, and ends with 7. */
  const runHost = (t: TestContext, stderr: number | "pipe", characters = 1) => {
    const script = `
      const { standardErrorLog } = await import(${log});
      const log = standardErrorLog();
      process.stdin.on("data", () => {
        for (let n = 0; n < 20; n++) log.warn({ padding: "x".repeat(${characters}) }, "line");
        setTimeout(() => process.stdout.write(log.dropped() + "\\n"), 50);
      });
      process.stdin.on("end", () => process.exit(7));`;
    const host = spawn(process.execPath, [...conditions, "--input-type=module", "--eval", script], {
      stdio: ["pipe", "pipe", stderr],
    });
    const { stdin, stdout } = host;
    assert.ok(stdin && stdout);
    const ended = once(host, "exit");
    atEnd(t, async () => {
      host.kill("SIGKILL");
      await ended;
    });
    const logs = async () => {
      stdin.write("go on\n");
      const [text] = await Promise.race([once(stdout, "data"), ended.then(() => assert.fail("the host ended"))]);
      return Number(String(text));
    };
    const end = () => {
      stdin.end();
      return ended;
    };
    return { host, logs, end };
  };

  it("leaves its host alive where the disk is full", { skip: noDevice }, async (t) => {
    const full = openSync("/dev/full", "w");
    atEnd(t, () => closeSync(full));
    const { logs, end } = runHost(t, full);
    assert.deepEqual([await logs(), await logs(), await end()], [20, 40, [7, null]]);
  });

  it("leaves its host alive where the reader is gone", async (t) => {
    const { host, logs, end } = runHost(t, "pipe");
    host.stderr?.destroy();
    await once(host.stderr as NodeJS.EventEmitter, "close");
    assert.deepEqual([await logs(), await logs(), await end()], [20, 40, [7, null]]);
  });

  it("drops lines where the reader does not read, and says how many once it reads", async (t) => {
    const pipe = openPipe(t);
    const { logs, end } = runHost(t, pipe.written, 1_048_576);
    const dropped = await logs();
    assert.ok(dropped >= 10 && dropped < 20, String(dropped));
    await readAll(pipe.end);
    await logs();
    const text = await readAll(pipe.end);
    assert.match(
      text,
      new RegExp(`^\\{"level":"warn","time":"[^"]+","message":"log lines dropped","lines":${dropped}\\}$`, "m"),
    );
    assert.deepEqual(await end(), [7, null]);
  });
});
