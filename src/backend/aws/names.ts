import type { DeliveryMode } from "../port.ts";

/** Names of a workflow's resources in one stage: `orders-table-dev`, `orders-topic-dev.fifo`, `orders-paid-dev`. */
export interface ResourceNames {
  readonly table: string;
  readonly topic: string;
  queue(status: string): string;
}

export function resourceNames(workflow: string, stage: string, mode: DeliveryMode = "standard"): ResourceNames {
  const suffix = mode === "fifo" ? ".fifo" : "";
  return {
    table: `${workflow}-table-${stage}`,
    topic: `${workflow}-topic-${stage}${suffix}`,
    queue: (status) => `${workflow}-${status}-${stage}${suffix}`,
  };
}
