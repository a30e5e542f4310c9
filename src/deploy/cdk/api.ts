import { CfnOutput, RemovalPolicy, Validations } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import { HttpApi, HttpStage, LogGroupLogDestination } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { Topology } from "../topology.ts";

export interface Throttle {
  /** Requests a second, over all clients. */
  readonly ratePerSecond: number;
  readonly burst: number;
}

/** The HTTP API: every path goes to the request function, which knows its routes. */
export function addApi(scope: Construct, { workflow, stage }: Topology, request: Lambda, throttle: Throttle): HttpApi {
  const api = new HttpApi(scope, "Api", {
    apiName: `${workflow}-api-${stage}`,
    createDefaultStage: false,
    defaultIntegration: new HttpLambdaIntegration("Request", request),
  });
  Validations.of(api).acknowledge({
    id: "AwsSolutions::AwsSolutions-APIG4",
    reason:
      "The request function checks the API keys itself, by role and workflow, as everywhere; it refuses to start without keys unless the stack says that it is public.",
  });
  const log = new LogGroup(scope, "Log-api", {
    logGroupName: `/aws/apigateway/${workflow}-api-${stage}`,
    retention: RetentionDays.ONE_MONTH,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  new HttpStage(scope, "ApiStage", {
    httpApi: api,
    stageName: "$default",
    autoDeploy: true,
    throttle: { rateLimit: throttle.ratePerSecond, burstLimit: throttle.burst },
    accessLogSettings: {
      destination: new LogGroupLogDestination(log),
      format: AccessLogFormat.custom(
        JSON.stringify({
          requestId: "$context.requestId",
          at: "$context.requestTime",
          ip: "$context.identity.sourceIp",
          method: "$context.httpMethod",
          path: "$context.path",
          status: "$context.status",
          milliseconds: "$context.responseLatency",
          error: "$context.integrationErrorMessage",
        }),
      ),
    },
  });
  new CfnOutput(scope, "Url", { value: api.apiEndpoint, description: "Where orders are placed." });
  return api;
}
