import { type Command, Option } from "commander";
import { type Output, wrongUsage } from "../output.ts";
import { remoteCommand } from "../remote/connection.ts";
import type { VerifyFlags } from "./verify.ts";

const timeoutSecondsMax = 86_400;

/** `cauce verify`. What does its work is loaded once it runs. */
export function addVerifyCommand(program: Command, output: Output): void {
  remoteCommand(program, "verify", {
    says: "Places one order, follows it to its end and prints four proofs that it was there.",
    examples: [
      "verify --url https://abc123.execute-api.eu-west-1.amazonaws.com --api-key cauce_…",
      `verify --data '{"customerId":"c-1"}' --to approved --timeout 300`,
      "verify --json",
    ],
  })
    .addOption(new Option("--api-key <key>", "the same as --key").conflicts("key"))
    .option("--data <json>", "the order's data (default: the example in the server's /openapi.json)")
    .option("--to <status>", "follow it to this status (default: where it ends or waits)")
    .addOption(
      new Option("--timeout <seconds>", `how long to follow it, 1 to ${timeoutSecondsMax}`)
        .argParser(parseTimeout)
        .default(60),
    )
    .addHelpText(
      "after",
      "\nThe key needs the role operate. The exit code is 1 if a proof is missing; the error names it.",
    )
    .action(async ({ apiKey, ...flags }: VerifyFlags & { readonly apiKey?: string }) => {
      const { verify } = await import("./verify.ts");
      return verify({ ...flags, key: apiKey ?? flags.key }, output);
    });
}

function parseTimeout(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= timeoutSecondsMax) return Number(text);
  throw wrongUsage(`--timeout must be whole seconds from 1 to ${timeoutSecondsMax}, not "${text}"`);
}
