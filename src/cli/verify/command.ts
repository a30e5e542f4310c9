import type { Command } from "commander";
import { CauceError } from "../../core/errors.ts";
import type { Output } from "../output.ts";
import { remoteCommand } from "../remote/connection.ts";
import type { VerifyFlags } from "./verify.ts";

interface Given extends VerifyFlags {
  readonly key?: string;
  readonly apiKey?: string;
}

/** `cauce verify`. What does its work is loaded once it runs. */
export function addVerifyCommand(program: Command, output: Output): void {
  remoteCommand(
    program,
    "verify",
    "Places one order, follows it to its end and prints four proofs that it was there.",
    [
      "verify --url https://abc123.execute-api.eu-west-1.amazonaws.com --api-key cauce_…",
      `verify --data '{"customerId":"c-1"}' --to approved --timeout 300`,
      "verify --json",
    ],
  )
    .option("--api-key <key>", "the same as --key")
    .option("--data <json>", "the order's data (default: the example in the server's /openapi.json)")
    .option("--to <status>", "follow it to this status (default: where it ends or waits)")
    .option("--timeout <seconds>", "how long to follow it, 1 to 86400", "60")
    .addHelpText(
      "after",
      "\nThe key needs the role operate. Exit code 1 where a proof is missing, which the error names.",
    )
    .action(async ({ apiKey, ...flags }: Given) => {
      if (apiKey !== undefined && flags.key !== undefined) {
        throw new CauceError("setting_invalid", "--api-key and --key are both given; keep one of them");
      }
      const { verify } = await import("./verify.ts");
      return verify({ ...flags, ...(apiKey === undefined ? {} : { key: apiKey }) }, output);
    });
}
