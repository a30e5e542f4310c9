import type { Command } from "commander";
import type { Output } from "../report.ts";
import { remoteCommand } from "./remote.ts";

/** The commands that call a server. What does a command's work is loaded once it runs. */
export function addOrderCommands(program: Command, output: Output): void {
  remoteCommand(program, "place", "Places an order.", [
    `place '{"customerId":"c-1"}'`,
    "place --file order.json --idempotency-key form-17",
    "place - --json < order.json",
  ])
    .argument("[data]", "the order's data as JSON; - reads it from standard input")
    .option("--file <file>", "file that holds the data")
    .option("--idempotency-key <key>", "repeating the command with the same key places nothing more")
    .action(async (data, flags) => (await import("./place.ts")).place(data, flags, output));

  remoteCommand(program, "show", "Shows an order and its timeline.", ["show ID", "show ID --json"])
    .argument("<id>", "the order's id")
    .action(async (id, flags) => (await import("./show.ts")).show(id, flags, output));

  remoteCommand(program, "list", "Lists orders, the newest first.", [
    "list --status paid --limit 10",
    "list --failed",
    "list --all --json > orders.ndjson",
  ])
    .option("--status <status>", "only orders in this status")
    .option("--failed", "only failed orders")
    .option("--group <group>", "only orders of this group")
    .option("--limit <number>", "how many, 1 to 1000 (default: 50)")
    .option("--all", "every order, however many")
    .action(async (flags) => (await import("./list.ts")).list(flags, output));

  remoteCommand(program, "queues", "Shows how many orders stand in each status.", ["queues", "queues --watch"])
    .option("--watch [seconds]", "show them again every 2 seconds, or as often as given, until Ctrl+C")
    .action(async (flags) => (await import("./queues.ts")).queues(flags, output));

  remoteCommand(program, "failures", "Shows the failed orders, grouped by status and fingerprint.", [
    "failures",
  ]).action(async (flags) => (await import("./failures.ts")).failures(flags, output));

  remoteCommand(program, "retry", "Starts failed orders again: one, or all that match.", [
    "retry ID",
    `retry --fingerprint "the gateway answered …"`,
    "retry --status paid --yes",
    "retry --all",
  ])
    .argument("[id]", "the order's id")
    .option("--fingerprint <fingerprint>", "every order that failed with this fingerprint")
    .option("--status <status>", "every order that failed in this status")
    .option("--all", "every failed order")
    .option("--yes", "do not ask before retrying several")
    .action(async (id, flags) => (await import("./retry.ts")).retry(id, flags, output));

  remoteCommand(program, "transition", "Moves a waiting or failed order to another status.", [
    "transition ID approved",
    `transition ID paid --reason "paid by phone" --results '{"paymentId":"p-1"}'`,
  ])
    .argument("<id>", "the order's id")
    .argument("<to>", "the status to move it to")
    .option("--reason <text>", "why, kept in the history")
    .option("--results <json>", "results to add, as a JSON object")
    .option("--expected-version <number>", "refused with stale unless the order has this version")
    .option("--idempotency-key <key>", "repeating the command with the same key moves nothing more")
    .action(async (id, to, flags) => (await import("./change.ts")).transition(id, to, flags, output));

  for (const [name, paused, what] of [
    ["pause", true, "Stops the handling of a status; orders wait in it until it is resumed."],
    ["resume", false, "Takes up the handling of a paused status again."],
  ] as const) {
    remoteCommand(program, name, what, [`${name} paid`])
      .argument("<status>", "a handled status")
      .action(async (status, flags) => (await import("./change.ts")).setPaused(paused, status, flags, output));
  }

  remoteCommand(program, "remove", "Erases a final order, with its data and history.", ["remove ID", "remove ID --yes"])
    .argument("<id>", "the order's id")
    .option("--yes", "do not ask")
    .action(async (id, flags) => (await import("./change.ts")).remove(id, flags, output));
}
