import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { destroyClients, openClients } from "../../../src/backend/aws/clients.ts";
import { openTable } from "../../../src/backend/aws/table.ts";
import { createStack, startEmulators } from "./emulators.ts";
import { limitMilliseconds, waitPatiently } from "./patience.ts";

describe("the emulator suites on a slow machine", { timeout: limitMilliseconds }, () => {
  it("wait for an answer for longer than the product does, and ask once", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let tries = 0;
    const server = createServer((_, answer) => {
      tries++;
      // This is longer than the product's limit for a call with all its tries.
      t.mock.timers.tick(60_000);
      answer.setHeader("content-type", "application/x-amz-json-1.0").end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { env } = process;
    const before = { ...env };
    Object.assign(env, { AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" });
    env.AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const takeBack = waitPatiently();
    const clients = openClients();
    t.after(() => {
      takeBack();
      process.env = before;
      destroyClients(clients);
      server.closeAllConnections();
      server.close();
    });
    assert.equal(await openTable(clients.dynamo, "t").put({ id: { S: "a" } }), true);
    assert.equal(tries, 1);
    takeBack();
    assert.equal(Object.hasOwn(DynamoDBClient.prototype, "send"), false);
  });

  it("take an existing table for created, and a missing table for deleted", async (t) => {
    const emulators = await startEmulators();
    t.after(() => emulators.stop());
    const options = { workflow: "twice", stage: "twice", mode: "standard", statuses: ["received"] } as const;
    const [first, second] = [await createStack(options), await createStack(options)];
    assert.equal(first.queueUrl("received"), second.queueUrl("received"));
    await first.remove();
    await second.remove().catch((error: Error) => assert.match(error.name, /QueueDoesNotExist|NotFound/));
  });
});
