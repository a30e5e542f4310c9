import type { DeliveryMode } from "../../backend/backend.ts";
import type { Trial } from "./trial.ts";

/** What a store outlives: nothing at all, a clean close, or also a process that is killed. */
export type Survives = "nothing" | "closing" | "crashing";

/** One thing to try, before it is bound to a backend. */
export interface Case {
  readonly name: string;
  /** In this mode alone. Default: in both. */
  readonly only?: DeliveryMode;
  /** What the store must outlive for the case to have a meaning. Default: nothing. */
  readonly needs?: Survives;
  run(trial: Trial): Promise<void>;
}
