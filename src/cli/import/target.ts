import type { Command } from "commander";
import { CauceError } from "../../core/errors.ts";
import { cauceVariables } from "../../runtime/env.ts";

/** Where orders are placed. */
export interface Target {
  /** Of the workflow: `http://127.0.0.1:3000/orders`. */
  readonly url: string;
  readonly key: string | undefined;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option("--url <url>", "address of the server, its base path included (default: http://127.0.0.1:3000; CAUCE_URL)")
    .option("--key <key>", "API key (CAUCE_API_KEY)")
    .option("--workflow <name>", "workflow of the orders; needed where the server has several (CAUCE_WORKFLOW)")
    .option("--json", "print one last line of JSON");
}

/** The workflow that flags and variables name, or the only one of the server. Throws `setting_invalid` and what the server answers. */
export async function targetOf(flags: Readonly<Record<string, unknown>>): Promise<Target> {
  const variables = cauceVariables();
  const given = (flag: string, variable: string) => (flags[flag] as string | undefined) ?? variables[variable];
  const base = (given("url", "CAUCE_URL") ?? "http://127.0.0.1:3000").replace(/\/+$/, "");
  if (!/^https?:\/\/\S+$/.test(base) || !URL.canParse(base)) {
    throw new CauceError("setting_invalid", `--url must be an address such as http://127.0.0.1:3000, not "${base}"`);
  }
  const key = given("key", "CAUCE_API_KEY");
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new CauceError("setting_invalid", "--key must be an API key, as cauce keys create showed it");
  }
  const workflow = given("workflow", "CAUCE_WORKFLOW") ?? (await onlyWorkflow(base, key));
  if (!/^[a-z][A-Za-z0-9]{0,39}$/.test(workflow)) {
    throw new CauceError("setting_invalid", `--workflow must be a workflow's name, not "${workflow}"`);
  }
  return { url: `${base}/${workflow}`, key };
}

async function onlyWorkflow(base: string, key: string | undefined): Promise<string> {
  const headers = key === undefined ? undefined : { authorization: `Bearer ${key}` };
  let response: Response;
  try {
    response = await fetch(`${base}/queues`, { ...(headers && { headers }), signal: AbortSignal.timeout(30_000) });
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    const what = cause?.code ?? (error as Error).message;
    throw new CauceError("unreachable", `${base} cannot be reached (${what}); start the server, or check --url`);
  }
  const answer = (await response.json().catch(() => undefined)) as
    | { workflows?: { workflow: string }[]; code?: CauceError["code"]; detail?: string }
    | undefined;
  if (response.status === 200 && Array.isArray(answer?.workflows)) {
    const names = answer.workflows.map(({ workflow }) => workflow);
    if (names.length === 1) return names[0] as string;
    throw new CauceError("setting_invalid", `${base} serves ${names.join(", ")}; choose one with --workflow NAME`);
  }
  if (answer?.code === undefined) {
    throw new CauceError(
      "unexpected_answer",
      `${base}/queues answered ${response.status}, as Cauce does not; check --url`,
    );
  }
  // Who may only place orders may not ask which workflows there are.
  const hint = answer.code === "forbidden" ? "; give the workflow with --workflow" : "";
  throw new CauceError(answer.code, `${answer.detail ?? response.status}${hint}`);
}
