import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Template } from "../../../src/emulate/template/assembly.ts";
import { readStack } from "../../../src/emulate/template/stack.ts";
import { type TemplateParts, workerParts } from "../support.ts";

const endpoints = {
  queueUrl: (name: string) => `http://127.0.0.1:9/000000000000/${name}`,
  apiUrl: () => "http://127.0.0.1:8",
};

function template(resources: TemplateParts): Template {
  return { name: "test", resources, parameters: {}, assetDirectory: (key) => `/assets/${key}` };
}

function withVariable(value: unknown): Template {
  const parts = workerParts();
  const { Worker } = parts;
  const Environment = { Variables: { VALUE: value } } as never;
  return template({ ...parts, Worker: { ...Worker, Properties: { ...Worker?.Properties, Environment } } as never });
}

const resolveVariable = (value: unknown) => readStack(withVariable(value), endpoints).functions[0]?.environment.VALUE;
// Placeholders of CloudFormation templates look like those of JavaScript.
const dollars = (text: string) => text.replaceAll("@", "$");
const queueRef = { Ref: "Work" };

describe("a synthesized template", () => {
  it("is read with its references resolved", () => {
    const { queues, functions, sources, apis } = readStack(template(workerParts()), endpoints);
    const work = queues.find(({ name }) => name === "work");
    assert.deepEqual(work?.redrive, {
      deadLettersArn: "arn:aws:sqs:us-east-1:000000000000:dead",
      receivesMax: 2,
    });
    assert.equal(
      work?.attributes.RedrivePolicy,
      JSON.stringify({ deadLetterTargetArn: work?.redrive?.deadLettersArn, maxReceiveCount: 2 }),
    );
    assert.deepEqual(functions[0]?.environment, { QUEUE: "http://127.0.0.1:9/000000000000/work" });
    assert.equal(functions[0]?.directory, "/assets/code.zip");
    assert.deepEqual([sources[0]?.function, sources[0]?.queueArn], ["worker", work?.arn]);
    assert.deepEqual(apis[0]?.routes, [{ key: "$default", function: "worker" }]);
  });

  const values: readonly (readonly [string, unknown, string])[] = [
    [
      "Fn::Join, Fn::Select and Fn::Split",
      { "Fn::Join": ["/", [{ "Fn::Select": [2, { "Fn::Split": ["/", queueRef] }] }, ""]] },
      "127.0.0.1:9/",
    ],
    [
      "Fn::Sub with names, attributes, its own and literals",
      { "Fn::Sub": [dollars("@{AWS::Region}:@{Work.QueueName}:@{own}:@{!kept}"), { own: queueRef }] },
      dollars("us-east-1:work:http://127.0.0.1:9/000000000000/work:@{kept}"),
    ],
    ["Fn::GetAtt as text", { "Fn::GetAtt": "Dead.Arn" }, "arn:aws:sqs:us-east-1:000000000000:dead"],
    ["the address of an API", { "Fn::GetAtt": ["Api", "ApiEndpoint"] }, "http://127.0.0.1:8"],
    ["the account", { Ref: "AWS::AccountId" }, "000000000000"],
  ];
  for (const [what, given, expected] of values) {
    it(`resolves ${what}`, () => assert.equal(resolveVariable(given), expected));
  }

  it("resolves the value of a parameter", () => {
    const { resources } = withVariable({ "Fn::GetAtt": ["Keys", "Value"] });
    const parts = {
      ...resources,
      Keys: { Type: "AWS::SSM::Parameter", Properties: { Name: "/keys", Value: { Ref: "Dead" } } },
    };
    const { functions } = readStack(template(parts as TemplateParts), endpoints);
    assert.equal(functions[0]?.environment.VALUE, "http://127.0.0.1:9/000000000000/dead");
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ["a function that it does not know", { "Fn::Base64": "x" }, /Worker.*VALUE: Fn::Base64 is a function/],
    ["a reference to nothing", { Ref: "Nowhere" }, /Worker.*VALUE: it refers to "Nowhere"/],
    [
      "an attribute that it does not know",
      { "Fn::GetAtt": ["Work", "Colour"] },
      /Colour of "Work" \(AWS::SQS::Queue\)/,
    ],
    ["a choice past the end", { "Fn::Select": [3, ["a"]] }, /asks for item 3/],
  ];
  for (const [what, given, message] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => resolveVariable(given), { code: "template_invalid", message }));
  }

  it("refuses an unknown type of resource, and leaves out resources that only monitor", () => {
    const alarm = { Alarm: { Type: "AWS::CloudWatch::Alarm", Properties: { MetricName: { "Fn::Base64": "x" } } } };
    assert.equal(readStack(template({ ...workerParts(), ...alarm }), endpoints).functions.length, 1);
    const bucket = { Bucket: { Type: "AWS::S3::Bucket", Properties: {} } };
    const message = /test\.Bucket: cauce emulate does not know AWS::S3::Bucket/;
    assert.throws(() => readStack(template({ ...workerParts(), ...bucket }), endpoints), {
      code: "template_invalid",
      message,
    });
  });
});
