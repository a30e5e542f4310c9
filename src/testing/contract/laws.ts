import { extras } from "./extras.ts";
import { stored } from "./law01Stored.ts";
import { idempotent } from "./law02Idempotent.ts";
import { routed } from "./law03Routed.ts";
import { fenced } from "./law04Fenced.ts";
import { once } from "./law05Once.ts";
import { leased } from "./law06Leased.ts";
import { nothingDisappears } from "./law07NothingDisappears.ts";
import { grouped } from "./law08Grouped.ts";
import { backlog } from "./law09Backlog.ts";
import { listed } from "./law10Listed.ts";
import { limited } from "./law11Limits.ts";
import { closed } from "./law12Closed.ts";
import { removal } from "./removal.ts";
import type { Case } from "./trial.ts";

/** The cases of the twelve laws, in their order. */
export const laws: readonly (readonly Case[])[] = [
  [...stored, ...extras],
  idempotent,
  routed,
  fenced,
  once,
  leased,
  [...nothingDisappears, ...removal],
  grouped,
  backlog,
  listed,
  limited,
  closed,
];
