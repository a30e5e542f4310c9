import type { Backend } from "../backend/backend.ts";
import { CauceError } from "../core/errors.ts";
import { type AnyWorkflow, retryOf, type StatusDefinition } from "../core/workflow.ts";

/** Throws `limit_exceeded` where the workflow asks for more than the backend holds. */
export function checkLimits(workflow: AnyWorkflow, { limits }: Backend): void {
  for (const [name, status] of Object.entries(workflow.statuses as Record<string, StatusDefinition>)) {
    const refuse = (what: string): never => {
      throw new CauceError("limit_exceeded", `workflow "${workflow.name}", status "${name}": ${what}`);
    };
    if (status.final) continue;
    const delays = status.waits
      ? { "expires.afterSeconds": status.expires?.afterSeconds ?? 0 }
      : { "retry.maxSeconds": retryOf(status).maxSeconds };
    for (const [field, seconds] of Object.entries(delays)) {
      if (seconds > limits.longestDelaySeconds) {
        refuse(`${field} is ${seconds} and this backend holds a delay of at most ${limits.longestDelaySeconds} s`);
      }
    }
    const { least, most } = limits.concurrency;
    if (status.concurrency !== undefined && (status.concurrency < least || status.concurrency > most)) {
      refuse(`concurrency is ${status.concurrency} and this backend gives ${least} to ${most}`);
    }
  }
}
