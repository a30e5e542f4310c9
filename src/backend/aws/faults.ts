import { CauceError, type ErrorCode } from "../../core/errors.ts";

/** The SDK's error names that another try does not help, with what to do. Every other error passes by itself. */
const codes: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ...named("store_denied", "give the role this permission", [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "KMSAccessDeniedException",
    "KmsAccessDenied",
  ]),
  ...named("store_denied", "look at the credentials", [
    "CredentialsProviderError",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
  ]),
  ...named("store_missing", "deploy the stack, or correct the stage or the Region", [
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
  ]),
  ...named("limit_exceeded", "send less", [
    "ItemCollectionSizeLimitExceededException",
    "BatchRequestTooLong",
    "BatchRequestTooLongException",
  ]),
  ...named("internal_error", "this is a fault of Cauce; report it", [
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "SerializationException",
    "ValidationException",
  ]),
};

function named(code: ErrorCode, what: string, names: readonly string[]): Record<string, readonly [ErrorCode, string]> {
  return Object.fromEntries(names.map((name) => [name, [code, what] as const]));
}

/** An error of the SDK as one of Cauce, on one line: throttling, time-outs, lost connections and 5xx may pass. */
export function awsFault(error: unknown, where: string): CauceError {
  if (error instanceof CauceError) return error;
  const { name = "", message = String(error) } = (error ?? {}) as { name?: string; message?: string };
  const [code, what] = codes[name] ?? (["store_unavailable", "try again"] as const);
  const said = message.replaceAll(/\s+/g, " ").slice(0, 300);
  return new CauceError(code, `${where} failed: ${name === "" ? "" : `${name}: `}${said}; ${what}`, { cause: error });
}

/** Whether a conditional write found the item other than it had to be. */
export function isConditionFailed(error: unknown): boolean {
  return (error as { name?: string } | null)?.name === "ConditionalCheckFailedException";
}
