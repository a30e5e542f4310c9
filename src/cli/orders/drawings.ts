import type { CommandCall } from "./call.ts";

/** What is the command line's own of a command. */
export interface Drawing {
  /** In place of the operation's arguments. */
  readonly argument?: readonly [written: string, meaning: string];
  /** The flags are the fields of this operation. Default: of the command's own. */
  readonly fieldsOf?: string;
  /** Fields that the command fills by itself, and that are no flags. */
  readonly hides?: readonly string[];
  /** Flags that are no fields. */
  readonly flags?: readonly (readonly [written: string, meaning: string])[];
  run(call: CommandCall): Promise<void>;
}

/** By the operations' names. What does a command's work is loaded once it runs. */
export const drawings: Readonly<Record<string, Drawing>> = {
  place: {
    argument: ["[data]", "the order's data as JSON; - reads it from standard input"],
    flags: [["--file <file>", "file that holds the data"]],
    run: async (call) => (await import("./place.ts")).place(call),
  },
  get: { run: async (call) => (await import("./show.ts")).show(call) },
  list: {
    hides: ["cursor"],
    flags: [["--all", "every order, however many"]],
    run: async (call) => (await import("./list.ts")).list(call),
  },
  queues: {
    flags: [["--watch [seconds]", "show them again every 2 seconds, or as often as given, until Ctrl+C"]],
    run: async (call) => (await import("./queues.ts")).queues(call),
  },
  failures: { run: async (call) => (await import("./failures.ts")).failures(call) },
  retry: {
    argument: ["[id]", "the order's id"],
    fieldsOf: "retryMany",
    hides: ["ids", "limit", "cursor"],
    flags: [
      ["--all", "every failed order"],
      ["--yes", "do not ask before retrying several"],
    ],
    run: async (call) => (await import("./retry.ts")).retry(call),
  },
  transition: { run: async (call) => (await import("./change.ts")).transition(call) },
  pause: { run: async (call) => (await import("./change.ts")).pauseOrResume(call) },
  resume: { run: async (call) => (await import("./change.ts")).pauseOrResume(call) },
  remove: {
    flags: [["--yes", "do not ask"]],
    run: async (call) => (await import("./change.ts")).remove(call),
  },
};
