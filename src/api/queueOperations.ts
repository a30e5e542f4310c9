/** What can be done to the queues of a workflow's statuses. */
import type { Depth } from "../backend/backend.ts";
import { badBody, type Operation, operation, unwell, unwritable } from "./operation.ts";
import { wire } from "./orders.ts";
import { asQueue, asQueues } from "./shapes.ts";

const pauseOrResume = (
  name: "pause" | "resume",
  words: Pick<Operation, "summary" | "description" | "command">,
): Operation =>
  operation<{ status: string }, Depth>(name, wire[name], {
    ...words,
    answers: { 200: "The status's row of `GET /queues`." },
    shown: asQueue,
    errors: [...badBody, "invalid_request", "status_not_found", "status_not_handled", ...unwritable],
    run: (engine, { status }) => engine.setPaused(status, name === "pause"),
  });
const pause = pauseOrResume("pause", {
  summary: "Pause a status",
  description:
    "No handler of the status starts until it is resumed. It is kept in the store, and harmless when repeated.",
  command: {
    says: "Stops the handling of a status; orders wait in it until it is resumed.",
    examples: ["pause paid"],
  },
});
const resume = pauseOrResume("resume", {
  summary: "Resume a status",
  description: "Harmless when repeated.",
  command: { says: "Takes up the handling of a paused status again.", examples: ["resume paid"] },
});

const queues = operation<object, readonly Depth[]>("queues", wire.queues, {
  summary: "How many orders wait in each status of each workflow",
  answers: { 200: "The queues." },
  shown: asQueues,
  errors: ["invalid_request", ...unwell],
  command: { says: "Shows how many orders stand in each status.", examples: ["queues", "queues --watch"] },
  run: (engine) => engine.queues(),
});

export const queueOperations: readonly Operation[] = [pause, resume, queues];
