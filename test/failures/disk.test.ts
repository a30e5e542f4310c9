import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Order } from "cauce";
import { readRuns } from "../../scripts/crash/handlerLog.ts";
import type { ServerOptions } from "../../scripts/crash/server.ts";
import { runsVariable } from "./apps/filling.ts";
import { type Disk, limitedFiles, smallDisk, whyNoLimitedFiles, whyNoSmallDisk } from "./disks.ts";
import { appFile, gate, getOrder, place, serve, stop, temporaryDirectory, waitFor } from "./support.ts";

/** Places orders until one is refused. Gives the placed orders and the refusal. */
async function postUntilRefused(url: string): Promise<{ taken: string[]; refusal: Response }> {
  const taken: string[] = [];
  for (let n = 0; n < 1_000; n++) {
    const response = await fetch(`${url}/filling`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ padding: "p".repeat(20_000) }),
    });
    if (response.status !== 202) return { taken, refusal: response };
    taken.push(`/filling/${((await response.json()) as Order).id}`);
  }
  throw new Error("the disk does not become full");
}

/** Resolves when the server says that it takes orders, without placing one. */
async function untilReady(url: string): Promise<void> {
  while ((await fetch(`${url}/readyz`)).status !== 200) await delay(50);
}

function fillingServer(t: TestContext, diskOf: (data: string) => Disk) {
  const directory = temporaryDirectory(t);
  const data = join(directory, "data");
  const runs = join(directory, "runs");
  mkdirSync(data);
  const disk = diskOf(data);
  const options: ServerOptions = {
    app: appFile("filling"),
    directory: data,
    env: { [runsVariable]: runs },
    ...(disk.through === undefined ? {} : { through: disk.through }),
  };
  const runsOf = (path: string) => readRuns(runs).filter(({ id }) => path.endsWith(id)).length;
  return { disk, options, runsOf };
}

/** Fills the disk under a server with one order done and one in hand, and asserts how the server answers. */
async function fillsUp(t: TestContext, diskOf: (data: string) => Disk, expected: { code: string; retryAfter: string }) {
  const { disk, options, runsOf } = fillingServer(t, diskOf);
  const held = await gate(t);
  const server = serve(t, options);
  const url = await server.address;
  const done = await place(url, "filling", {});
  await waitFor(url, done, ({ status }) => status === "done");
  const atHandler = await place(url, "filling", { url: held.url });
  await held.asked(1);

  disk.fill(server);
  const { taken, refusal } = await postUntilRefused(url);
  assert.equal(refusal.status, 503);
  assert.equal(refusal.headers.get("retry-after"), expected.retryAfter);
  assert.equal(refusal.headers.get("content-type"), "application/problem+json");
  assert.equal(((await refusal.json()) as { code: string }).code, expected.code);
  const acknowledged = [done, atHandler, ...taken];
  for (const path of acknowledged) await getOrder(url, path);
  held.open();
  await server.wrote(new RegExp(`${atHandler.slice("/filling/".length)}.*the store takes no writes; trying again`));
  assert.equal((await getOrder(url, atHandler)).status, "open");
  // A load balancer must send no orders, and must not take the server for dead.
  assert.deepEqual([(await fetch(`${url}/readyz`)).status, (await fetch(`${url}/healthz`)).status], [503, 200]);
  return { disk, options, runsOf, server, url, atHandler, acknowledged };
}

describe("a server whose disk takes no writes", { concurrency: 3 }, () => {
  it("answers 503 with Retry-After while the disk is full, and goes on with every order once there is room", {
    skip: whyNoSmallDisk(),
  }, async (t) => {
    const full = await fillsUp(t, smallDisk, { code: "store_full", retryAfter: "30" });
    const { disk, server, url, acknowledged, runsOf, atHandler } = full;
    disk.free(server);
    await untilReady(url);
    const later = await place(url, "filling", {});
    for (const path of [...acknowledged, later]) await waitFor(url, path, ({ status }) => status === "done");
    for (const path of [atHandler, later]) assert.equal(runsOf(path), 1);
    const { stderr } = await stop(server);
    for (const line of stderr.trimEnd().split("\n")) JSON.parse(line);
  });

  it("answers 503 with Retry-After while writes fail, and goes on with every order once writes succeed", {
    skip: whyNoLimitedFiles(),
  }, async (t) => {
    const full = await fillsUp(t, limitedFiles, { code: "store_unavailable", retryAfter: "1" });
    const { disk, server, url, acknowledged, runsOf, atHandler } = full;
    disk.free(server);
    await untilReady(url);
    const later = await place(url, "filling", {});
    for (const path of [...acknowledged, later]) await waitFor(url, path, ({ status }) => status === "done");
    for (const path of [atHandler, later]) assert.equal(runsOf(path), 1);
    await stop(server);
  });

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    it(`has every acknowledged order at its next start after a ${signal} meanwhile`, {
      skip: whyNoLimitedFiles(),
    }, async (t) => {
      const { options, server, acknowledged } = await fillsUp(t, limitedFiles, {
        code: "store_unavailable",
        retryAfter: "1",
      });
      if (signal === "SIGTERM") await stop(server);
      else {
        server.kill(signal);
        await server.ended;
      }
      const next = serve(t, options);
      const url = await next.address;
      for (const path of acknowledged) await waitFor(url, path, ({ status }) => status === "done");
      await stop(next);
    });
  }
});
