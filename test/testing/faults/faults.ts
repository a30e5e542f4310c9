import { backlog } from "./backlog.ts";
import { closing } from "./closing.ts";
import { disappearing } from "./disappearing.ts";
import { extras } from "./extras.ts";
import type { Fault } from "./fault.ts";
import { fence } from "./fence.ts";
import { groups } from "./groups.ts";
import { leases } from "./leases.ts";
import { lists } from "./lists.ts";
import { once } from "./once.ts";
import { placing } from "./placing.ts";
import { removing } from "./removing.ts";
import { routing } from "./routing.ts";

export const faults: readonly Fault[] = [
  ...placing,
  ...extras,
  ...routing,
  ...fence,
  ...once,
  ...leases,
  ...disappearing,
  ...removing,
  ...groups,
  ...backlog,
  ...lists,
  ...closing,
];
