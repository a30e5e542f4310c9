import type { Command } from "commander";
import { CauceError } from "../../core/errors.ts";
import { cauceVariables } from "../../runtime/env.ts";
import { readStackSettings, stackSettings } from "../../runtime/settings.ts";
import { addOptions, flagsOf } from "../flags.ts";
import type { Output } from "../report.ts";

interface Given extends Readonly<Record<string, string | boolean | undefined>> {
  readonly port: string;
  readonly data?: string;
  readonly chaos?: boolean;
  readonly seed?: string;
}

const portMost = 65_535;
const seedMost = 999_999_999;

/** `cauce emulate`. The emulators and the CDK are loaded by it and by nothing else. */
export function addEmulateCommand(program: Command, output: Output): void {
  const command = program
    .command("emulate")
    .description("Runs the template that would be deployed on this machine: no account, no Docker.")
    .argument("<app>", "module of the app, as for start");
  addOptions(command, stackSettings);
  command
    .option(
      "--port <port>",
      "where the HTTP API is served, a second workflow's on the next; 0 takes any that is free",
      "3000",
    )
    .option("--data <directory>", "keep the tables here (default: in memory)")
    .option("--chaos", "fail calls, repeat and reorder messages, delay filters and kill functions")
    .option("--seed <number>", "what the faults of --chaos follow from (default: another each time)")
    .addHelpText(
      "after",
      `
Needs dynalite, fauxqs, the AWS SDK, the CDK and esbuild, and names what is missing.
What the functions log goes to standard error. SIGINT or SIGTERM end it.

Examples:
  $ cauce emulate shop.app.ts --public
  $ cauce emulate shop.app.ts --public --delivery fifo --processors per-status --data ./aws
  $ cauce emulate shop.app.ts --public --chaos --seed 7`,
    )
    .action(async (app: string, { port, data, chaos, seed, ...given }: Given) => {
      const settings = readStackSettings(flagsOf(stackSettings, given), cauceVariables());
      if (seed !== undefined && chaos !== true)
        throw new CauceError("setting_invalid", "--seed is for --chaos; add it");
      const flags = {
        port: wholeNumber("--port", port, portMost),
        data,
        seed:
          chaos !== true
            ? undefined
            : seed === undefined
              ? Math.floor(Math.random() * seedMost)
              : wholeNumber("--seed", seed, seedMost),
      };
      const { emulateApp } = await import("./emulate.ts");
      return emulateApp(app, settings, flags, output);
    });
}

function wholeNumber(flag: string, text: string, most: number): number {
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text);
  throw new CauceError("setting_invalid", `${flag} must be a whole number from 0 to ${most}, not "${text}"`);
}
