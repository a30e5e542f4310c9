import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CauceError } from "../../core/errors.ts";
import { cdkPackages } from "../../infra/cdk/synth.ts";
import { withPeers } from "../../infra/peers.ts";
import type { Output } from "../report.ts";

/** The script of the CDK's command line. Throws `package_missing`. */
export async function findCdk(): Promise<string> {
  const require = createRequire(import.meta.url);
  return withPeers("cauce deploy", cdkPackages, async () => {
    const description = require.resolve("aws-cdk/package.json");
    return join(dirname(description), (require(description) as { bin: { cdk: string } }).bin.cdk);
  });
}

/** Runs it over an assembly and passes on what it says. Throws `deploy_failed` where it ends with anything but 0. */
export async function runCdk(
  script: string,
  [command, ...args]: readonly [string, ...string[]],
  { directory, output }: { readonly directory: string; readonly output: Output },
): Promise<void> {
  const child = spawn(process.execPath, [script, command, "--app", directory, "--no-notices", ...args], {
    // A cdk.json of the working directory is of another app.
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.setEncoding("utf8").on("data", output.out);
  child.stderr.setEncoding("utf8").on("data", output.err);
  const ended = await new Promise<string | number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  if (ended === 0) return;
  throw new CauceError("deploy_failed", `cdk ${command} ended with ${ended}; what it said stands above`);
}
