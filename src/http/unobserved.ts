import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** A function lives for a moment and sees one request: there is no process whose orders it could tell of. */
export function unobservedRoutes(): Route[] {
  return ["/events", "/stats", "/metrics"].map((path) => ({
    method: "GET",
    path,
    access: "read",
    answer: () =>
      problem(
        "not_available_here",
        `${path} is not available on Lambda; look at the stack's CloudWatch metrics and logs`,
      ),
  }));
}
