import type { RemoteFlags } from "../orders/remote.ts";
import { onlyWorkflow, serverOf } from "../orders/remote.ts";

/** Where orders are placed. */
export interface Target {
  /** Of the workflow: `http://127.0.0.1:3000/orders`. */
  readonly url: string;
  readonly key: string | undefined;
}

/** The workflow that flags and variables name, or the only one of the server. Throws `setting_invalid` and what the server answers. */
export async function targetOf(flags: RemoteFlags): Promise<Target> {
  const server = serverOf(flags);
  const workflow = server.workflow ?? (await onlyWorkflow(server));
  return { url: `${server.url}/${workflow}`, key: server.key };
}
