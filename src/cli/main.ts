import { setTimeout as delay } from "node:timers/promises";
import { Command, Option } from "commander";
import type { Operation } from "../api/operation.ts";
import { operations as allOperations } from "../api/operations.ts";
import { CauceError } from "../core/errors.ts";
import { givenFrom } from "../node/readSettings.ts";
import { addBackupCommand } from "./backup.ts";
import { addEmulateCommand, addStackCommands } from "./deploy/command.ts";
import { diagram } from "./diagram.ts";
import { addImportCommand } from "./import/command.ts";
import { init, ownPackage } from "./init.ts";
import { createKeys } from "./keys.ts";
import { loadApp } from "./loadApp.ts";
import {
  addCommand,
  addSettings,
  description,
  exitCodes,
  givenSettings,
  type Output,
  processOutput,
  report,
  systemCode,
} from "./output.ts";
import { addOrderCommands } from "./remote/commands.ts";
import { addVerifyCommand } from "./verify/command.ts";
import { watch } from "./watch.ts";

const interruptedMilliseconds = 1_000;

/** Runs one command and resolves to its exit code: 0 done, 1 a failure, 2 wrong usage. */
export async function main(args: readonly string[], output: Output = processOutput()): Promise<number> {
  try {
    await createProgram(args, output).parseAsync([...args], { from: "user" });
    await output.taken?.();
    // A reader that has seen enough closes the pipe. Any other reason is the disk's or the device's.
    if (output.closed?.aborted && systemCode(output.closed.reason) !== "EPIPE") throw output.closed.reason;
    return exitCodes.done;
  } catch (error) {
    const exitCode = report(error, output);
    // The process ends with this exit code, and would lose what a full pipe has not yet let through. A reader that does
    // not read at all must not keep a command that was told to end.
    const wasTold = error instanceof CauceError && error.code === "interrupted";
    await Promise.race([output.taken?.(), ...(wasTold ? [delay(interruptedMilliseconds)] : [])]);
    return exitCode;
  }
}

/** The commands, their flags and help. Those that call a server follow from `operations`. */
export function createProgram(
  args: readonly string[],
  output: Output,
  operations: readonly Operation[] = allOperations,
): Command {
  const program = new Command("cauce")
    .description("Takes in orders, stores each one before it answers, and processes it status by status.")
    .version(description().version)
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err, outputError: () => {} })
    .addHelpText(
      "after",
      `
Examples:
  $ cauce init shop
  $ cauce start shop.app.ts
  $ cauce diagram shop.app.ts > shop.mmd
  $ cauce keys create --role intake --name webshop
  $ cauce place '{"customerId":"c-1"}'
  $ cauce queues --watch
  $ cauce import orders.ndjson

Exit codes: 0 done, 1 a failure, 2 wrong usage.
An error is one line on standard error: "code: message".`,
    );
  addProcessCommands(program, args, output);
  addProjectCommands(program, output);
  addBackupCommand(program, output);
  addOrderCommands(program, output, operations);
  addImportCommand(program, output);
  addStackCommands(program, output);
  addEmulateCommand(program, output);
  addVerifyCommand(program, output);
  return program;
}

/** `cauce start` and `cauce sweep`. What does their work is loaded once they run: the other commands need no store. */
function addProcessCommands(program: Command, args: readonly string[], output: Output): void {
  const startCommand = addCommand(program, "start", {
    says: "Serves an app's API and processes its orders, in this process, until SIGTERM or SIGINT.",
    notes: `Each setting is a flag or the variable beside it; the flag wins. CAUCE_KEYS holds
the lines of a keys file, in place of --keys.
At SIGTERM or SIGINT the server stops receiving, finishes the requests and handlers
under way, and exits with 0. A second signal ends it at once, with 143 or 130.`,
    examples: [
      "start shop.app.ts",
      "start shop.app.ts --watch --port 4000",
      "start shop.app.ts --delivery fifo --data /var/lib/shop",
      "start shop.app.ts --host 0.0.0.0 --keys shop.keys",
      "start shop.app.ts --backend aws --stage prod --role work --status paid",
    ],
  })
    .argument("<app>", "module whose default export is what implement(…) returned, or an array of those")
    .addOption(new Option("--watched").hideHelp());
  addSettings(startCommand, "start").action(
    async (app: string, { watched, ...given }: Record<string, string | boolean>) => {
      const chosen = givenSettings("start", given);
      if (chosen.watch && !watched) return watch(app, args, output);
      const { start } = await import("./start.ts");
      return start(app, chosen, { output, watched: watched === true });
    },
  );

  const sweepCommand = addCommand(program, "sweep", {
    says: "Sweeps once on AWS, for a schedule: delivers lost orders again and moves those that waited too long.",
    notes: `Run it each minute if no process has the role all. Several sweeps at once do no harm.
SIGINT or SIGTERM end it after the current step.`,
    examples: [
      "sweep shop.app.ts --backend aws --stage prod",
      "sweep shop.app.ts --backend aws --retention-days 30 --json",
    ],
  }).argument("<app>", "module of the app, as for start");
  addSettings(sweepCommand, "sweep")
    .option("--json", "print one line of JSON")
    .action(async (app: string, { json, ...given }: Record<string, string | boolean>) => {
      const chosen = givenSettings("sweep", given);
      const { sweep } = await import("./sweep.ts");
      return sweep(app, chosen, json === true, output);
    });
}

/** `cauce init`, `cauce diagram` and `cauce keys`, which need no server. */
function addProjectCommands(program: Command, output: Output): void {
  addCommand(program, "init", {
    says: "Writes a workflow, its handlers, a test and a package.json into an empty directory.",
    notes: `Run from a checkout (npm run cauce -- init ../shop) it packs Cauce into the directory,
since the package is not on the npm registry yet.`,
    examples: ["init shop", "init shop --javascript"],
  })
    .argument("<dir>", "the directory; it is made if it is missing")
    .addOption(
      new Option("--typescript", "in TypeScript, which Node 24 runs as it is (default)").conflicts("javascript"),
    )
    .option("--javascript", "in JavaScript")
    .action(async (directory: string, { javascript }: { javascript?: true }) => {
      const language = javascript ? "javascript" : "typescript";
      const onStep = (text: string) => output.err(`${text}\n`);
      output.out(await init(directory, { language, own: ownPackage(), from: givenFrom(), onStep }));
    });

  addCommand(program, "diagram", {
    says: "Prints an app's workflows as Mermaid state diagrams.",
    notes: "GitHub and many editors draw Mermaid in a ```mermaid block; https://mermaid.live draws it too.",
    examples: ["diagram shop.app.ts", "diagram shop.app.ts > shop.mmd"],
  })
    .argument("<app>", "module of the app, as for start")
    .action(async (app: string) => {
      const apps = await loadApp(app);
      output.out(apps.map(({ workflow }) => diagram(workflow)).join("\n"));
    });

  addCommand(program.command("keys").description("API keys."), "create", {
    says: "Makes an API key. The key is shown once; a server keeps only its SHA-256.",
    examples: [
      "keys create --role intake --name webshop --file shop.keys",
      "start shop.app.ts --host 0.0.0.0 --keys shop.keys",
    ],
  })
    .requiredOption("--role <role>", "intake: place orders; read: every GET; operate: everything")
    .option("--name <name>", "name of the client that gets the key (default: the role)")
    .option("--file <file>", "append the line to this file, which only its owner can read")
    .action((options: Parameters<typeof createKeys>[0]) => output.out(createKeys(options)));
}
