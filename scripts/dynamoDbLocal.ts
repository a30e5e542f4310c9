/** Runs the contract of the AWS backend on DynamoDB Local, if Java and Maven are installed. `--help` says how. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { limitMilliseconds } from "../test/backend/aws/patience.ts";

const version = "3.3.1";
const mainClass = "software.amazon.dynamodb.services.local.main.ServerRunner";
const help = `Usage: npm run test:dynamodb-local

Runs test/backend/aws.test.ts with DynamoDB Local ${version} in the place of the emulator that npm brings.
Maven fetches DynamoDB Local under node_modules/.cache the first time, since its licence forbids passing it on.

  --help        this text

Exit codes: 0 everything passed, or Java or Maven is missing (it says which); 1 something failed, 2 wrong usage.
`;

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = join(root, "node_modules/.cache/dynamodb-local", version);
const startSeconds = 60;
const fetchSeconds = 300;
const warmUpWrites = 3_000;
const writesAtOnce = 20;

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cauce</groupId><artifactId>dynamodb-local</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>${version}</version>
  </dependency></dependencies>
</project>
`;

/** Finds DynamoDB Local's libraries, and fetches missing ones. Else says why they are missing. */
function findLibraries(): { libraries: string } | { missing: string } {
  if (spawnSync("java", ["-version"]).status !== 0) return { missing: "there is no Java on this machine" };
  const libraries = join(directory, "lib");
  const jar = join(libraries, `DynamoDBLocal-${version}.jar`);
  if (existsSync(jar)) return { libraries };
  if (spawnSync("mvn", ["-version"]).status !== 0) return { missing: "there is no Maven on this machine" };
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "pom.xml"), pom);
  const words = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"];
  const fetched = spawnSync("mvn", words, { cwd: directory, encoding: "utf8", timeout: fetchSeconds * 1_000 });
  if (fetched.status === 0 && existsSync(jar)) return { libraries };
  return { missing: `Maven did not fetch it: ${(fetched.stdout ?? "").split("\n")[0] || "it gave no reason"}` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts DynamoDB Local, and resolves once it answers. */
async function startServer(libraries: string): Promise<{ url: string; server: ChildProcess }> {
  const port = await freePort();
  const words = [`-Djava.library.path=${libraries}`, "-cp", `${libraries}/*`, mainClass];
  const server = spawn("java", [...words, "-inMemory", "-port", String(port), "-disableTelemetry"], {
    stdio: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  for (const end = performance.now() + startSeconds * 1_000; performance.now() < end; ) {
    if (server.exitCode !== null) throw new Error(`DynamoDB Local ended with ${server.exitCode} before it answered`);
    // Any answer shows that it runs. A request without a signature gets a 400.
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return { url, server };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  server.kill();
  throw new Error(`DynamoDB Local did not answer within ${startSeconds} s`);
}

/**
 * Warms the server up, since Java compiles what it runs often. Else the first cases of 200 writes at once take seconds.
 */
async function warmUp(url: string): Promise<void> {
  const dynamo = new DynamoDBClient({
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const TableName = "warmUp";
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    }),
  );
  for (let n = 0; n < warmUpWrites; n += writesAtOnce) {
    const ids = Array.from({ length: writesAtOnce }, (_, m) => String(n + m));
    await Promise.all(ids.map((id) => dynamo.send(new PutItemCommand({ TableName, Item: { id: { S: id } } }))));
  }
  await dynamo.send(new DeleteTableCommand({ TableName }));
  dynamo.destroy();
}

async function main(): Promise<number> {
  const found = findLibraries();
  if ("missing" in found) {
    console.log(`not run on DynamoDB Local: ${found.missing}`);
    return 0;
  }
  const { url, server } = await startServer(found.libraries);
  try {
    await warmUp(url);
    const words = ["--conditions=source", "--test", `--test-timeout=${limitMilliseconds}`, "test/backend/aws.test.ts"];
    const env = { ...process.env, AWS_ENDPOINT_URL_DYNAMODB: url };
    const { status } = spawnSync(process.execPath, words, {
      cwd: root,
      env,
      encoding: "utf8",
      stdio: ["ignore", "inherit", "inherit"],
    });
    console.log(
      status === 0 ? `the contract passed on DynamoDB Local ${version}` : "the contract failed on DynamoDB Local",
    );
    return status === 0 ? 0 : 1;
  } finally {
    server.kill();
  }
}

const { values } = (() => {
  try {
    return parseArgs({ options: { help: { type: "boolean", default: false } } });
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
})();
if (values.help) console.log(help);
else process.exitCode = await main();
