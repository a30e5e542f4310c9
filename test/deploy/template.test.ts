import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { App, CfnResource, Stack, Validations } from "aws-cdk-lib";
import { Queue } from "aws-cdk-lib/aws-sqs";
import { AwsSolutionsChecks } from "cdk-nag";
import { z } from "zod";
import { checkingContext, refuseBroken } from "../../src/deploy/cdk/synth.ts";
import { createKey, formatKeyLine } from "../../src/http/auth.ts";
import { defineWorkflow, final, implement, type App as Workflows } from "../../src/index.ts";
import { apps, type Resource, type Synthesized, synthesized, topologies } from "./support.ts";

const keyLine = (name: string) => formatKeyLine({ name, role: "operate", sha256: createKey().sha256 });

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cauce-template-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function policyOfTable({ resources }: Synthesized): unknown {
  const table = resources.find(({ Type }) => Type === "AWS::DynamoDB::Table");
  return (table as { readonly DeletionPolicy?: string } | undefined)?.DeletionPolicy;
}

/** Tells whether the stack is protected against deletion, which stands in the assembly and not in the template. */
function isProtected({ directory, stacks }: Synthesized): unknown {
  const { artifacts } = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as {
    readonly artifacts: Readonly<
      Record<string, { readonly properties?: { readonly terminationProtection?: boolean } }>
    >;
  };
  return artifacts[String(stacks[0]?.name)]?.properties?.terminationProtection;
}

/** Gives an alarm's metric, threshold and periods in one line. */
function watchedBy(made: Synthesized, { Properties }: Resource): unknown {
  const { Namespace, MetricName, Dimensions = [], Statistic, Threshold, EvaluationPeriods, Period } = Properties;
  const [first] = Dimensions as { readonly Name: string; readonly Value: unknown }[];
  assert.deepEqual(
    [Properties.ComparisonOperator, Properties.TreatMissingData, Period],
    ["GreaterThanThreshold", "notBreaching", 60],
  );
  const value = typeof first?.Value === "string" ? first.Value : made.nameOf(first?.Value);
  return [Namespace, MetricName, first?.Name, value, Statistic, Threshold, EvaluationPeriods].join(" ");
}

describe("the template of a stage outside dev, with keys", () => {
  const line = keyLine("desk");
  const alarmTopicArn = "arn:aws:sns:eu-west-1:123456789012:on-call";
  let made: Synthesized;
  before(async () => {
    const access = { keys: `# whose keys\n\n${line} # the desk's\n` };
    made = await synthesized({ stage: "prod", access, retentionDays: 30, metrics: false, alarmTopicArn });
  });
  after(() => made.remove());
  const only = (type: string) => {
    const [first, ...others] = made.ofType(type);
    assert.ok(first !== undefined && others.length === 0, type);
    return first.Properties;
  };
  const functions = () =>
    new Map(made.ofType("AWS::Lambda::Function").map((each) => [each.Properties.FunctionName, each]));
  const environmentOf = (name: string) =>
    ((functions().get(name) as Resource).Properties.Environment as { Variables: Record<string, unknown> }).Variables;

  it("has a table that is encrypted, can be restored to any second, and is protected against deletion", () => {
    const table = only("AWS::DynamoDB::Table");
    assert.equal(table.TableName, "orders-table-prod");
    assert.deepEqual(table.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true });
    assert.deepEqual(table.SSESpecification, { SSEEnabled: true });
    assert.deepEqual(table.TimeToLiveSpecification, { AttributeName: "tl", Enabled: true });
    assert.equal(table.DeletionProtectionEnabled, true);
    assert.equal(table.BillingMode, "PAY_PER_REQUEST");
    assert.equal(policyOfTable(made), "Retain");
    assert.equal(isProtected(made), true);
  });

  it("has a table without protection against deletion in dev", async (t) => {
    const dev = await synthesized();
    t.after(dev.remove);
    assert.equal(dev.ofType("AWS::DynamoDB::Table")[0]?.Properties.DeletionProtectionEnabled, false);
    assert.deepEqual([policyOfTable(dev), isProtected(dev)], ["Delete", false]);
  });

  it("has an API with access logs and a limit on its rate", () => {
    const stage = only("AWS::ApiGatewayV2::Stage");
    assert.deepEqual(stage.DefaultRouteSettings, { ThrottlingBurstLimit: 2_000, ThrottlingRateLimit: 1_000 });
    const { Format } = stage.AccessLogSettings as { Format: string };
    assert.deepEqual(Object.keys(JSON.parse(Format)).includes("status"), true);
    assert.equal(only("AWS::ApiGatewayV2::Route").RouteKey, "$default");
  });

  it("has functions on Node 24 and arm64, of which the processing function alone may invoke itself recursively", () => {
    assert.deepEqual([...functions().keys()], ["orders-request-prod", "orders-processing-prod", "orders-sweep-prod"]);
    for (const [name, { Properties }] of functions()) {
      assert.deepEqual([Properties.Runtime, Properties.Architectures], ["nodejs24.x", ["arm64"]]);
      assert.equal(Properties.RecursiveLoop, name === "orders-processing-prod" ? "Allow" : undefined);
    }
  });

  it("gives each function its own settings, and the keys' hashes to the request function alone", () => {
    const keys = only("AWS::SSM::Parameter");
    assert.deepEqual([keys.Name, keys.Type, keys.Value], ["/cauce/orders/keys/prod", "String", line]);
    const parameter = made.ofType("AWS::SSM::Parameter")[0]?.id;
    assert.deepEqual(environmentOf("orders-request-prod").CAUCE_KEYS, { "Fn::GetAtt": [parameter, "Value"] });
    const shared = ["CAUCE_STAGE", "CAUCE_DELIVERY", "CAUCE_TOPIC_ARN", "CAUCE_QUEUE_URL_BASE", "CAUCE_METRICS"];
    assert.deepEqual(Object.keys(environmentOf("orders-request-prod")), [...shared, "CAUCE_KEYS"]);
    assert.deepEqual(Object.keys(environmentOf("orders-processing-prod")), shared);
    assert.deepEqual(Object.keys(environmentOf("orders-sweep-prod")), [...shared, "CAUCE_RETENTION_DAYS"]);
    assert.equal(environmentOf("orders-sweep-prod").CAUCE_RETENTION_DAYS, "30");
    assert.equal(environmentOf("orders-sweep-prod").CAUCE_METRICS, "false");
  });

  it("sweeps each minute and never repeats a sweep, and keeps logs for a month", () => {
    assert.equal(only("AWS::Events::Rule").ScheduleExpression, "rate(1 minute)");
    const repeats = only("AWS::Lambda::EventInvokeConfig");
    assert.deepEqual(
      [made.nameOf(repeats.FunctionName), repeats.MaximumRetryAttempts, repeats.MaximumEventAgeInSeconds],
      ["orders-sweep-prod", 0, 60],
    );
    const logs = made.ofType("AWS::Logs::LogGroup");
    assert.equal(logs.length, 4);
    for (const { Properties } of logs) assert.equal(Properties.RetentionInDays, 30);
  });

  it("has an alarm for each fault that needs an operator, and a dashboard", () => {
    const expected: Record<string, string> = {
      unrouted: "AWS/SQS ApproximateNumberOfMessagesVisible QueueName orders-unrouted-prod Maximum 0 1",
      undelivered: "AWS/SNS NumberOfNotificationsFailed TopicName orders-topic-prod Sum 0 1",
      "recursion-processing": "AWS/Lambda RecursiveInvocationsDropped FunctionName orders-processing-prod Sum 0 1",
    };
    for (const status of ["received", "paid"]) {
      const queue = `QueueName orders-${status}-prod Maximum`;
      expected[`dead-${status}`] =
        `AWS/SQS ApproximateNumberOfMessagesVisible QueueName orders-${status}-dead-prod Maximum 0 1`;
      expected[`oldest-${status}`] = `AWS/SQS ApproximateAgeOfOldestMessage ${queue} 3600 5`;
      expected[`inFlight-${status}`] = `AWS/SQS ApproximateNumberOfMessagesNotVisible ${queue} 100000 1`;
    }
    for (const name of ["request", "processing", "sweep"]) {
      expected[`errors-${name}`] = `AWS/Lambda Errors FunctionName orders-${name}-prod Sum 0 3`;
      expected[`throttles-${name}`] = `AWS/Lambda Throttles FunctionName orders-${name}-prod Sum 0 3`;
    }
    assert.deepEqual(
      Object.fromEntries(
        made
          .ofType("AWS::CloudWatch::Alarm")
          .map((alarm) => [alarm.Properties.AlarmName, watchedBy(made, alarm)] as const),
      ),
      Object.fromEntries(Object.entries(expected).map(([what, watched]) => [`orders-${what}-prod`, watched])),
    );
    assert.equal(only("AWS::CloudWatch::Dashboard").DashboardName, "orders-prod");
  });

  it("has alarms that notify the given topic when they start and when they end", () => {
    for (const { Properties } of made.ofType("AWS::CloudWatch::Alarm")) {
      assert.deepEqual([Properties.AlarmActions, Properties.OKActions], [[alarmTopicArn], [alarmTopicArn]]);
    }
  });
});

describe("an app with several workflows", () => {
  const small = (name: string): Workflows =>
    implement(
      defineWorkflow({
        name,
        data: z.object({}),
        initial: "filed",
        statuses: { filed: { to: ["closed"], concurrency: 1_000 }, closed: final },
      }),
      { handlers: { filed: () => "closed" as const } },
    ) as unknown as Workflows;

  it("gets a stack for each workflow, with that workflow's resources alone", async (t) => {
    const made = await synthesized({ app: [apps.shop.app, small("claims")] });
    t.after(made.remove);
    assert.deepEqual(
      made.stacks.map(({ name, workflow, topology }) => [name, workflow.name, topology.table]),
      [
        ["orders-dev", "orders", "orders-table-dev"],
        ["claims-dev", "claims", "claims-table-dev"],
      ],
    );
    assert.doesNotMatch(JSON.stringify(made.stacks[1]?.template), /orders-/);
  });

  it("shares the account's concurrency among its workflows", async (t) => {
    const made = await synthesized({ app: [small("other"), small("more")], accountConcurrency: 100 });
    t.after(made.remove);
    assert.deepEqual(
      made.stacks.map(({ topology }) => topology.sources.map(({ concurrencyMost }) => concurrencyMost)),
      [[37], [37]],
    );
  });
});

describe("the access to the API", () => {
  it("must be given", async () => {
    await assert.rejects(synthesized({ access: undefined }), { code: "keys_required" });
    await assert.rejects(synthesized({ access: { keys: "# none yet\n" } }), { code: "keys_invalid" });
  });

  it("is refused where the keys are larger than a function's environment", async () => {
    const keys = Array.from({ length: 60 }, (_, n) => keyLine(`client-${n}`)).join("\n");
    await assert.rejects(synthesized({ access: { keys } }), { code: "keys_invalid", message: /take 4\d{3} bytes/ });
  });

  it("may be public where that is spelled out, and then there is no parameter", async (t) => {
    const made = await synthesized();
    t.after(made.remove);
    assert.equal(made.ofType("AWS::SSM::Parameter").length, 0);
    assert.match(JSON.stringify(made.resources), /"CAUCE_PUBLIC":"true"/);
  });

  it("is not set for pods, which assume their roles by EKS Pod Identity", async (t) => {
    const made = await synthesized({ access: undefined, compute: "kubernetes" });
    t.after(made.remove);
    const roles = made.ofType("AWS::IAM::Role");
    assert.equal(roles.length, 3);
    for (const { Properties } of roles) {
      const { Statement } = Properties.AssumeRolePolicyDocument as {
        Statement: { Action: string; Principal: object }[];
      };
      assert.deepEqual(
        Statement.map(({ Action }) => Action),
        ["sts:AssumeRole", "sts:TagSession"],
      );
      for (const { Principal } of Statement) assert.deepEqual(Principal, { Service: "pods.eks.amazonaws.com" });
    }
    assert.deepEqual([made.ofType("AWS::Lambda::Function"), made.ofType("AWS::ApiGatewayV2::Api")], [[], []]);
  });
});

describe("the checks of a stack", () => {
  for (const { title, options } of topologies) {
    it(`find nothing by cdk-nag and CloudFormation (${title})`, async (t) => {
      const made = await synthesized({ ...options, checks: true });
      t.after(made.remove);
      const report = JSON.parse(readFileSync(join(made.directory, "validation-report.json"), "utf8"));
      const suppressed = report.pluginReports.flatMap(
        (each: { pluginName: string; suppressedViolations?: { ruleName: string }[] }) =>
          (each.suppressedViolations ?? []).map(({ ruleName }) => `${each.pluginName}: ${ruleName}`),
      );
      const expected = ["AwsSolutions: AwsSolutions-APIG4", "AwsSolutions: AwsSolutions-SQS3"];
      assert.deepEqual(suppressed.toSorted(), "compute" in options ? expected.slice(1) : expected);
    });
  }

  it("refuse, when the stack is synthesized, what CloudFormation would refuse", async () => {
    const throttle = { ratePerSecond: 1, burst: 1.5 };
    await assert.rejects(synthesized({ throttle, checks: true }), {
      code: "stack_invalid",
      message: /CloudFormation Validate/,
    });
  });

  it("name each rule that is broken, and where", (t) => {
    const outdir = directory(t);
    const app = new App({ outdir, context: checkingContext, autoSynth: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks());
    const stack = new Stack(app, "broken");
    new Queue(stack, "Bare");
    new CfnResource(stack, "Odd", { type: "AWS::SNS::Topic", properties: { Nonsense: 1 } });
    app.synth();
    assert.throws(
      () => refuseBroken(outdir),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "stack_invalid");
        assert.match(error.message, /AwsSolutions-SQS3 at broken\/Bare\/Resource/);
        assert.match(error.message, /CloudFormation Validate F3002 at broken\/Odd: Nonsense/);
        return true;
      },
    );
  });

  it("are not passed where nothing was checked", (t) => {
    assert.throws(() => refuseBroken(directory(t)), { code: "stack_invalid" });
  });
});
