import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CauceError } from "../../core/errors.ts";

/** The CDK's flags under which each rule is an error, and is told by us and not by a report of its own. */
export const checkingContext = {
  "@aws-cdk/core:validateAgainstDefaultRules": true,
  "@aws-cdk/core:failSynthOnValidationErrors": false,
};

const reportFile = "validation-report.json";

interface Report {
  readonly pluginReports: readonly { readonly pluginName: string; readonly violations: readonly Violation[] }[];
}

interface Violation {
  readonly ruleName: string;
  readonly description: string;
  readonly violatingConstructs: readonly { readonly constructPath?: string }[];
}

/** Reads what the checks found in an assembly. Throws `stack_invalid` with each rule that is broken and where. */
export function refuseBroken(directory: string): void {
  const file = join(directory, reportFile);
  // Without a plugin that looked at anything there is none.
  if (!existsSync(file)) throw new CauceError("stack_invalid", `${directory} was not checked: it has no ${reportFile}`);
  const { pluginReports } = JSON.parse(readFileSync(file, "utf8")) as Report;
  const broken = pluginReports.flatMap(({ pluginName, violations }) =>
    violations.map(({ ruleName, description, violatingConstructs }) => {
      const where = violatingConstructs.map(({ constructPath = "the template" }) => constructPath).join(", ");
      return `${pluginName} ${ruleName} at ${where}: ${description.trim()}`;
    }),
  );
  if (broken.length === 0) return;
  throw new CauceError("stack_invalid", broken.join("; "));
}
