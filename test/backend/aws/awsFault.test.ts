import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import * as dynamodb from "@aws-sdk/client-dynamodb";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import { aws } from "../../../src/backend/aws/aws.ts";
import { awsFault, isConditionFailed } from "../../../src/backend/aws/clients.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { CauceError, type ErrorCode } from "../../../src/core/errors.ts";

/** The errors with which the table, the topic and the queues may answer Cauce's calls, by Cauce's code. */
const byCode: Partial<Record<ErrorCode, string>> = {
  store_denied: `
    AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException
    KMSAccessDenied KMSAccessDeniedException KmsAccessDenied KMSDisabledException KmsDisabled KMSInvalidStateException
    KmsInvalidState KMSNotFoundException KmsNotFound KMSOptInRequired KmsOptInRequired KmsInvalidKeyUsage
    CredentialsProviderError TokenProviderError MissingAuthenticationToken MissingAuthenticationTokenException
    ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException InvalidClientTokenId
    InvalidSecurity InvalidSecurityException InvalidSignatureException SignatureDoesNotMatch OptInRequired
    UnrecognizedClientException RequestTimeTooSkewed RequestExpired RequestInTheFuture AuthFailure`,
  store_missing: `
    ResourceNotFoundException NotFound NotFoundException QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue
    InvalidAddress TableNotFoundException IndexNotFoundException`,
  limit_exceeded: `
    ItemCollectionSizeLimitExceededException BatchRequestTooLong BatchRequestTooLongException`,
  internal_error: `
    ValidationException SerializationException InvalidParameter InvalidParameterException InvalidParameterValue
    InvalidParameterValueException BatchEntryIdsNotDistinct BatchEntryIdsNotDistinctException EmptyBatchRequest
    EmptyBatchRequestException InvalidBatchEntryId InvalidBatchEntryIdException TooManyEntriesInBatchRequest
    TooManyEntriesInBatchRequestException InvalidAttributeName InvalidAttributeValue InvalidIdFormat
    InvalidMessageContents UnsupportedOperation TypeError RangeError`,
  store_unavailable: `
    ThrottlingException Throttling ThrottledException ProvisionedThroughputExceededException RequestLimitExceeded
    RequestThrottled RequestThrottledException LimitExceededException TooManyRequestsException KMSThrottlingException
    KmsThrottled OverLimit InternalServerError InternalErrorException InternalFailure ServiceUnavailable
    TransactionConflictException TransactionInProgressException ReplicatedWriteConflictException
    ConcurrentAccessException TimeoutError RequestTimeout AbortError SomethingNew`,
};

/** Errors of the three services that answer only calls that Cauce does not make. */
const ofOtherCalls = new RegExp(
  [
    "^(Backup|ContinuousBackups|Export|GlobalTable|Import|InvalidExport|InvalidRestore|Policy|PointInTime|Replica|Table)",
    "^(InvalidEndpoint|ResourceInUse|DuplicateItem|IdempotentParameterMismatch|TransactionCanceled|ConditionalCheckFailed)",
    "^(FilterPolicyLimit|ReplayLimit|SubscriptionLimit|OptedOut|UserError|StaleTag|Tag|TopicLimit|InvalidState|Endpoint)",
    "^(PlatformApplication|Verification|MessageNotInflight|ReceiptHandle|QueueDeletedRecently|QueueNameExists|Purge)",
  ].join("|"),
);

function thrown(name: string, fields: object = {}): Error {
  return Object.assign(new Error("said the service"), { name, ...fields });
}

describe("an error of the AWS SDK", () => {
  for (const [code, names = ""] of Object.entries(byCode)) {
    for (const name of names.trim().split(/\s+/)) {
      it(`${name} becomes ${code}`, () => {
        const error = thrown(name);
        const fault = awsFault(error, "table orders-table-dev");
        assert.equal(fault.code, code);
        assert.equal(fault.cause, error);
        assert.match(fault.message, /^table orders-table-dev failed: .+: said the service; \S.+$/);
      });
    }
  }

  it("is told by its message where several faults share a name", () => {
    const cases = [
      ["ValidationException", "The table does not have the specified index: standing", "store_missing", /index$/],
      ["ValidationException", "Item size has exceeded the maximum allowed size", "limit_exceeded", /send less$/],
      ["ValidationException", "Item size to update has exceeded the maximum allowed size", "limit_exceeded", /less$/],
    ] as const;
    for (const [name, message, code, advice] of cases) {
      const fault = awsFault(thrown(name, { message }), "x");
      assert.equal(fault.code, code);
      assert.match(fault.message, advice);
    }
  });

  it("says where to look when there was no connection", () => {
    for (const code of ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"]) {
      const fault = awsFault(thrown("Error", { code, message: "" }), "x");
      assert.equal(fault.code, "store_unavailable");
      assert.equal(
        fault.message,
        `x failed: ${code}; look at the network, the Region and the endpoint; then try again`,
      );
    }
    for (const code of ["ECONNRESET", "EPIPE", "ETIMEDOUT"]) {
      assert.match(awsFault(thrown("Error", { code }), "x").message, /^x failed: said the service; try again$/);
    }
  });

  it("becomes one line, and an error of Cauce stays as it is", () => {
    assert.equal(
      awsFault(thrown("Throttling", { message: "slow\n  down" }), "x").message,
      "x failed: Throttling: slow down; try again",
    );
    const own = new CauceError("closed", "closed");
    assert.equal(awsFault(own, "x"), own);
    assert.equal(awsFault(undefined, "x").code, "store_unavailable");
    assert.ok(isConditionFailed(thrown("ConditionalCheckFailedException")) && !isConditionFailed(null));
  });

  it("is in this table, for every error class of the installed clients", () => {
    const known = new Set(Object.values(byCode).flatMap((names) => names.trim().split(/\s+/)));
    const names = [dynamodb, sns, sqs].flatMap((client) =>
      Object.entries(client)
        .filter(([, value]) => typeof value === "function" && value.prototype instanceof Error)
        .map(([name]) => name)
        .filter((name) => !name.endsWith("ServiceException")),
    );
    assert.ok(names.length > 50, `${names.length} errors`);
    assert.deepEqual(
      names.filter((name) => !known.has(name) && !ofOtherCalls.test(name)),
      [],
    );
  });
});

describe("a start in an environment that lacks something", () => {
  const names = [
    ...["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE", "AWS_CONFIG_FILE"],
    ...["AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
    "AWS_EC2_METADATA_DISABLED",
  ];
  const nowhere = {
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const keys = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
  const region = { AWS_REGION: "eu-west-1" };

  async function openIn(environment: Readonly<Record<string, string>>): Promise<CauceError> {
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    Object.assign(process.env, nowhere, environment);
    try {
      const factory = { workflow: "orders", delivery: "standard", clock: systemClock() } as const;
      return await aws()(factory).then(
        () => assert.fail("it opened"),
        (error: CauceError) => error,
      );
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  const cases: readonly (readonly [string, Record<string, string>, ErrorCode, RegExp])[] = [
    ["a Region", keys, "setting_invalid", /Region is missing; set AWS_REGION, as in AWS_REGION=eu-west-1$/],
    ["a Region that is one", { ...keys, AWS_REGION: "eu west" }, "setting_invalid", /"eu west".*; correct AWS_REGION/],
    [
      "an endpoint that is a URL",
      { ...keys, ...region, AWS_ENDPOINT_URL_DYNAMODB: "here" },
      "setting_invalid",
      /; correct AWS_ENDPOINT_URL_DYNAMODB/,
    ],
    ["credentials", region, "store_denied", /CredentialsProviderError: .*; set AWS_ACCESS_KEY_ID and AWS_SECRET/],
  ];
  for (const [what, environment, code, message] of cases) {
    it(`names what the environment lacks: ${what}`, async () => {
      const fault = await openIn(environment);
      assert.equal(fault.code, code, fault.message);
      assert.match(fault.message, message);
      assert.match(fault.message, /^table orders-table-dev failed: [^\n]+$/);
    });
  }

  it("fails after one try where the session is over, the table is missing, or the role lacks the permission", async (t) => {
    let asked = 0;
    let type = "";
    const server = createServer((_request, response) => {
      asked++;
      response.writeHead(400, { "content-type": "application/x-amz-json-1.0" });
      response.end(JSON.stringify({ __type: `com.amazon.coral.service#${type}`, message: "so it is" }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const [name, code, advice] of [
      ["ExpiredTokenException", "store_denied", "the credentials are over; get new ones"],
      [
        "ResourceNotFoundException",
        "store_missing",
        "deploy the stack, or correct the stage, the delivery or the Region",
      ],
      ["AccessDeniedException", "store_denied", "give the role this permission"],
    ]) {
      asked = 0;
      type = String(name);
      const fault = await openIn({ ...keys, ...region, AWS_ENDPOINT_URL_DYNAMODB });
      assert.deepEqual(
        [fault.code, fault.message, asked],
        [code, `table orders-table-dev failed: ${name}: so it is; ${advice}`, 1],
      );
    }
  });
});
