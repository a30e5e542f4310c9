import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { call, destroyClients, openClients } from "../../../src/backend/aws/clients.ts";
import { openTable } from "../../../src/backend/aws/table.ts";

describe("the clients", () => {
  it("give up a try without an answer, and make another within the call's time", async (t) => {
    let tries = 0;
    const server = createServer((_, answer) => {
      tries++;
      if (tries > 1) answer.setHeader("content-type", "application/x-amz-json-1.0").end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { env } = process;
    const before = { ...env };
    env.AWS_REGION = "us-east-1";
    env.AWS_ACCESS_KEY_ID = "test";
    env.AWS_SECRET_ACCESS_KEY = "test";
    env.AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const clients = openClients();
    t.after(() => {
      process.env = before;
      destroyClients(clients);
      server.closeAllConnections();
      server.close();
    });
    assert.equal(await openTable(clients.dynamo, "t").put({ id: { S: "a" } }), true);
    assert.equal(tries, 2);
  });

  it("name the resource and the code of a call that failed", async () => {
    await assert.rejects(
      call("table t", () => Promise.reject(Object.assign(new Error("so\nit is"), { name: "AccessDeniedException" }))),
      { code: "store_denied", message: /^table t failed: AccessDeniedException: so it is; give the role/ },
    );
  });
});
