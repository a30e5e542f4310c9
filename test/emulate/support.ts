import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Value } from "../../src/emulate/template/intrinsics.ts";
import { limitSeconds } from "../backend/aws/patience.ts";

export interface TemplateParts {
  readonly [id: string]: { readonly Type: string; readonly Properties: Readonly<Record<string, Value>> };
}

/** Makes a folder, and removes it after the tests. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-emulate-test-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes a cloud assembly whose functions' code is `code`. */
export function writeAssembly(resources: TemplateParts, code: string): string {
  const directory = temporary();
  mkdirSync(join(directory, "asset.code"));
  writeFileSync(join(directory, "asset.code", "index.mjs"), code);
  const files = {
    code: { source: { path: "asset.code", packaging: "zip" }, destinations: { here: { objectKey: "code.zip" } } },
  };
  writeFileSync(join(directory, "test.assets.json"), JSON.stringify({ files }));
  writeFileSync(join(directory, "test.template.json"), JSON.stringify({ Resources: resources }));
  return directory;
}

/**
 * Gives the template's parts of a function `worker`, fed by the queue `work`. Messages go to `dead` after two receives.
 * A failed message comes again after the function's timeout.
 */
export function workerParts(options: { readonly timeoutSeconds?: number } = {}): TemplateParts {
  const { timeoutSeconds = limitSeconds } = options;
  return {
    Dead: { Type: "AWS::SQS::Queue", Properties: { QueueName: "dead" } },
    Work: {
      Type: "AWS::SQS::Queue",
      Properties: {
        QueueName: "work",
        VisibilityTimeout: timeoutSeconds,
        RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["Dead", "Arn"] }, maxReceiveCount: 2 },
      },
    },
    Role: { Type: "AWS::IAM::Role", Properties: {} },
    Worker: {
      Type: "AWS::Lambda::Function",
      Properties: {
        FunctionName: "worker",
        Handler: "index.handler",
        Code: { S3Key: "code.zip" },
        Role: { "Fn::GetAtt": ["Role", "Arn"] },
        Timeout: timeoutSeconds,
        MemorySize: 128,
        Environment: { Variables: { QUEUE: { Ref: "Work" } } },
      },
    },
    Source: {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: {
        EventSourceArn: { "Fn::GetAtt": ["Work", "Arn"] },
        FunctionName: { Ref: "Worker" },
        BatchSize: 10,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
        ScalingConfig: { MaximumConcurrency: 2 },
      },
    },
    Api: { Type: "AWS::ApiGatewayV2::Api", Properties: { Name: "api" } },
    Integration: {
      Type: "AWS::ApiGatewayV2::Integration",
      Properties: {
        IntegrationType: "AWS_PROXY",
        PayloadFormatVersion: "2.0",
        IntegrationUri: { "Fn::GetAtt": ["Worker", "Arn"] },
      },
    },
    Route: {
      Type: "AWS::ApiGatewayV2::Route",
      Properties: {
        ApiId: { Ref: "Api" },
        RouteKey: "$default",
        Target: { "Fn::Join": ["", ["integrations/", { Ref: "Integration" }]] },
      },
    },
  };
}
