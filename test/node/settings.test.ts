import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Option } from "commander";
import { accountConcurrencyDefault } from "../../src/backend/aws/quotas.ts";
import { createProgram } from "../../src/cli/main.ts";
import { cauceVariables, type Flags, nearest, parseAs, readSettings } from "../../src/node/readSettings.ts";
import {
  type CommandKind,
  commands,
  duties,
  environmentOf,
  functionSettings,
  rowsOf,
  type Setting,
  settings,
} from "../../src/node/settings.ts";

const all: Setting[] = Object.values(settings);
const flagsOf = (kind: CommandKind) => Object.values<Setting>(rowsOf(kind)).flatMap(({ flag }) => flag ?? []);
const readStart = (flags: Flags<"start">, variables: Record<string, string>) => readSettings("start", flags, variables);
const readClient = (flags: Flags<"client">, variables: Record<string, string>) =>
  readSettings("client", flags, variables);

describe("the settings of cauce start", () => {
  it("takes a flag over a variable, and a variable over the default", () => {
    assert.equal(readStart({}, {}).port, 3_000);
    assert.equal(readStart({}, { CAUCE_PORT: "4000" }).port, 4_000);
    assert.equal(readStart({ port: "5000" }, { CAUCE_PORT: "4000" }).port, 5_000);
  });

  it("has these defaults", () => {
    assert.deepEqual(readStart({}, {}), {
      backend: "sqlite",
      role: "all",
      status: undefined,
      stage: "dev",
      topicArn: undefined,
      queueUrlBase: undefined,
      port: 3_000,
      host: "127.0.0.1",
      data: "./cauce-data",
      delivery: undefined,
      keysFile: undefined,
      keys: undefined,
      bodyBytesMax: 262_144,
      startSeconds: 60,
      basePath: undefined,
      unknownStatuses: "refuse",
      retentionDays: undefined,
      logLevel: "info",
      watch: false,
    });
  });

  it("refuses a variable that it does not know, naming the nearest", () => {
    assert.throws(() => readStart({}, { CAUCE_HOTS: "x" }), {
      code: "setting_invalid",
      message: "the variable CAUCE_HOTS is unknown; did you mean CAUCE_HOST?",
    });
    assert.throws(() => readStart({}, { CAUCE_FOO: "x" }), {
      code: "setting_invalid",
      message: /^the variable CAUCE_FOO is unknown; there are CAUCE_BACKEND, .*CAUCE_URL/,
    });
  });

  it("refuses a value that a setting does not take, and names its flag or variable", () => {
    const refused = (message: RegExp) => ({ code: "setting_invalid", message });
    assert.throws(() => readStart({ port: "-1" }, {}), refused(/^--port must be .*, not "-1"$/));
    assert.throws(() => readStart({}, { CAUCE_PORT: "" }), refused(/^CAUCE_PORT must be .*, not ""$/));
    assert.throws(() => readStart({ port: "80.5" }, {}), refused(/^--port/));
    assert.throws(() => readStart({ bodyBytesMax: "0" }, {}), refused(/^--body-bytes-max/));
    assert.throws(() => readStart({ delivery: "FIFO" }, {}), refused(/^--delivery/));
    assert.throws(() => readStart({ unknownStatuses: "drop" }, {}), refused(/^--unknown-statuses/));
    assert.throws(() => readStart({}, { CAUCE_WATCH: "yes" }), refused(/^CAUCE_WATCH/));
    for (const days of ["0", "1.5", "36501", "ever"]) {
      assert.throws(() => readStart({ retentionDays: days }, {}), refused(/^--retention-days must be a whole number/));
    }
    assert.equal(readStart({}, { CAUCE_RETENTION_DAYS: "30" }).retentionDays, 30);
    for (const basePath of ["shop", "/", "/shop/", "/sh op", "/a//b"]) {
      assert.throws(() => readStart({ basePath }, {}), refused(/^--base-path/), basePath);
    }
    for (const basePath of ["/shop", "/a/b-c"]) assert.equal(readStart({ basePath }, {}).basePath, basePath);
  });

  it("takes the backend on AWS, its roles and several statuses", () => {
    const queueUrlBase = "https://sqs.eu-west-1.amazonaws.com/123456789012/";
    const read = readStart(
      { backend: "aws", role: "work", status: "paid, received" },
      { CAUCE_QUEUE_URL_BASE: queueUrlBase },
    );
    assert.deepEqual([read.backend, read.role, read.status], ["aws", "work", ["paid", "received"]]);
    assert.equal(read.queueUrlBase, queueUrlBase);
    const given: readonly (readonly [Flags<"start">, RegExp])[] = [
      [{ backend: "dynamo" }, /^--backend must be sqlite or aws, not "dynamo"$/],
      [{ role: "worker" }, /^--role must be api or work or all/],
      [{ status: "paid,," }, /^--status must be names of statuses/],
      [{ stage: "a b" }, /^--stage must be/],
      [{ topicArn: "orders-topic-dev" }, /^--topic-arn must be a topic's ARN/],
      [{ queueUrlBase: "https://sqs.eu-west-1.amazonaws.com/1" }, /^--queue-url-base must be .* ends in \//],
    ];
    for (const [flags, message] of given) {
      const read = () => readStart({ backend: "aws", role: "work", ...flags }, {});
      assert.throws(read, { code: "setting_invalid", message });
    }
  });

  it("refuses settings that have no meaning together, and names their flags or variables", () => {
    const refused = (message: RegExp) => ({ code: "setting_invalid", message });
    for (const role of ["api", "work"]) {
      assert.throws(() => readStart({ role }, {}), refused(/^--role is "(api|work)", .*one process owns a SQLite/));
      assert.throws(() => readStart({}, { CAUCE_ROLE: role }), refused(/^CAUCE_ROLE is/));
    }
    for (const role of ["api", "all"]) {
      const flags = { backend: "aws", role, status: "paid" };
      assert.throws(() => readStart(flags, {}), refused(/^--status is for the role work/));
    }
    const topicArn = "arn:aws:sns:eu-west-1:123456789012:orders-topic-dev";
    assert.throws(() => readStart({ topicArn }, {}), refused(/^--topic-arn is for --backend aws/));
    assert.throws(() => readStart({ stage: "prod" }, {}), refused(/^--stage is for --backend aws/));
    assert.throws(() => readStart({}, { CAUCE_STAGE: "prod" }), refused(/^CAUCE_STAGE is for --backend aws/));
    assert.throws(
      () => readStart({}, { CAUCE_QUEUE_URL_BASE: "http://sqs/" }),
      refused(/^CAUCE_QUEUE_URL_BASE is for --backend aws/),
    );
  });

  it("refuses two sources of keys, unless a flag decides", () => {
    const variables = { CAUCE_KEYS: "x", CAUCE_KEYS_FILE: "file" };
    assert.throws(() => readStart({}, variables), { code: "setting_invalid", message: /both set/ });
    assert.equal(readStart({ keysFile: "other" }, variables).keysFile, "other");
  });
});

describe("the settings of the commands that call a server", () => {
  it("joins flags, variables and defaults", () => {
    assert.deepEqual(readClient({}, {}), { url: "http://127.0.0.1:3000", key: undefined, workflow: undefined });
    const variables = { CAUCE_URL: "https://a/shop", CAUCE_API_KEY: "cauce_x", CAUCE_WORKFLOW: "orders" };
    assert.deepEqual(readClient({}, variables), { url: "https://a/shop", key: "cauce_x", workflow: "orders" });
    assert.equal(readClient({ url: "http://b" }, variables).url, "http://b");
  });

  it("shares variables and refusals with cauce start", () => {
    readStart({}, { CAUCE_URL: "http://a", CAUCE_API_KEY: "x", CAUCE_WORKFLOW: "orders" });
    readClient({}, { CAUCE_PORT: "4000", CAUCE_WATCH: "true" });
    for (const read of [readStart, readClient]) {
      assert.throws(() => read({}, { CAUCE_ULR: "x" }), { message: /did you mean CAUCE_URL\?$/ });
    }
    assert.throws(() => readClient({ url: "localhost:3000" }, {}), { message: /^--url must be an address/ });
  });

  it("never repeats a key", () => {
    assert.throws(() => readClient({}, { CAUCE_API_KEY: "se cret" }), {
      message: "CAUCE_API_KEY must be an API key, as `cauce keys create` showed it",
    });
  });
});

describe("the settings of cauce sweep", () => {
  it("reads the settings that lead to the store, whatever role the environment is for", () => {
    const variables = { CAUCE_BACKEND: "aws", CAUCE_STAGE: "prod", CAUCE_ROLE: "work", CAUCE_STATUS: "paid" };
    assert.deepEqual(readSettings("sweep", { stage: "test" }, variables), {
      backend: "aws",
      stage: "test",
      topicArn: undefined,
      queueUrlBase: undefined,
      delivery: undefined,
      retentionDays: undefined,
      logLevel: "info",
    });
  });

  it("refuses SQLite, whose owner sweeps", () => {
    assert.throws(() => readSettings("sweep", {}, {}), {
      code: "setting_invalid",
      message: /^cauce sweep is for --backend aws/,
    });
  });
});

describe("the settings", () => {
  it("are exactly the flags of cauce start, and of every command that calls a server", () => {
    const program = createProgram([], { out: () => {}, err: () => {} });
    const shown = (name: string) => program.commands.find((command) => command.name() === name)?.options ?? [];
    assert.deepEqual(
      shown("start").flatMap(({ hidden, flags }) => (hidden ? [] : flags)),
      flagsOf("start"),
    );
    assert.deepEqual(
      shown("sweep").flatMap(({ flags }) => (flags === "--json" ? [] : flags)),
      flagsOf("sweep"),
    );
    assert.deepEqual(
      shown("backup").flatMap(({ flags }) => (flags === "--force" ? [] : flags)),
      flagsOf("backup"),
    );
    for (const [command, own] of [
      ["synth", ["--out <directory>"]],
      ["deploy", ["--force", "--yes"]],
      ["emulate", ["--port <port>", "--data <directory>", "--chaos", "--seed <number>"]],
    ] as const) {
      assert.deepEqual(
        shown(command).flatMap(({ flags }) => (own.some((each) => each === flags) ? [] : flags)),
        flagsOf("stack"),
      );
    }
    for (const flag of flagsOf("client")) {
      const without = program.commands.filter(({ options }) => !options.some(({ flags }) => flags === flag));
      assert.deepEqual(
        // `cauce backup` reads the store itself, and has only the flag that names a workflow.
        without.map((command) => command.name()).filter((name) => name !== "backup"),
        ["start", "sweep", "init", "diagram", "keys", "synth", "deploy", "emulate"],
      );
    }
  });

  it("take their own defaults", () => {
    for (const { takes, default: fallback, variable } of all) {
      if (fallback !== undefined) assert.doesNotThrow(() => parseAs(takes, fallback, variable), fallback);
    }
  });

  it("take AWS's own default for the functions that an account runs at once", () => {
    assert.equal(settings.accountConcurrency.default, String(accountConcurrencyDefault));
  });

  it("name a variable after its flag", () => {
    for (const { flag, variable } of all) {
      if (flag === null || ["CAUCE_KEYS_FILE", "CAUCE_API_KEY"].includes(variable)) continue;
      const words = new Option(flag).name().replaceAll("-", "_").toUpperCase();
      assert.equal(variable, `CAUCE_${words}`);
    }
  });

  it("have a reader each, and each reader some", () => {
    for (const reader of [...commands, ...duties, "createCauce"] as const) {
      assert.notDeepEqual(rowsOf(reader), {}, reader);
    }
    assert.deepEqual(rowsOf(...commands, ...duties), settings);
    assert.deepEqual(rowsOf(...duties), functionSettings);
  });
});

describe("the environment of a process", () => {
  it("holds what its duty reads and has a value", () => {
    const values = { stage: "prod", metrics: false, public: true, keys: undefined, retentionDays: 30 };
    assert.deepEqual(environmentOf("serve", values), {
      CAUCE_STAGE: "prod",
      CAUCE_METRICS: "false",
      CAUCE_PUBLIC: "true",
    });
    assert.deepEqual(environmentOf("work", values), { CAUCE_STAGE: "prod", CAUCE_METRICS: "false" });
    assert.deepEqual(environmentOf("maintain", values), {
      CAUCE_STAGE: "prod",
      CAUCE_METRICS: "false",
      CAUCE_RETENTION_DAYS: "30",
    });
  });
});

describe("nearest", () => {
  it("is the name with the fewest differences", () => {
    const names = ["CAUCE_PORT", "CAUCE_HOST", "CAUCE_KEYS", "CAUCE_KEYS_FILE"];
    assert.equal(nearest("CAUCE_PRT", names), "CAUCE_PORT");
    assert.equal(nearest("CAUCE_KEYFILE", names), "CAUCE_KEYS_FILE");
    assert.equal(nearest("CAUCE_PROT", names), "CAUCE_PORT");
    for (const far of ["CAUCE_", "CAUCE_FOO", "CAUCE_SPORTS_CENTRE"]) assert.equal(nearest(far, names), undefined, far);
  });
});

describe("cauceVariables", () => {
  it("reads the CAUCE_* variables and no others", (t) => {
    const before = process.env.CAUCE_PORT;
    t.after(() => {
      if (before === undefined) delete process.env.CAUCE_PORT;
      else process.env.CAUCE_PORT = before;
    });
    process.env.CAUCE_PORT = "1";
    const found = cauceVariables();
    assert.equal(found.CAUCE_PORT, "1");
    assert.ok(Object.keys(found).every((name) => name.startsWith("CAUCE_")));
  });
});
