import { ClientError } from "./clientError.ts";

export interface Address {
  /** The workflow's address, without a slash at its end. */
  readonly workflowUrl: string;
  /** The server's, which the base path belongs to. */
  readonly serverUrl: string;
  readonly workflow: string;
}

/** What a workflow's URL leads to. Throws `setting_invalid`. */
export function addressOf(url: string): Address {
  const workflowUrl = httpUrlOf(url);
  const slash = workflowUrl.lastIndexOf("/");
  const workflow = workflowUrl.slice(slash + 1);
  if (!/^[a-z][A-Za-z0-9]{0,39}$/.test(workflow) || new URL(workflowUrl).pathname === "/") {
    throw new ClientError(
      "setting_invalid",
      `the URL "${url}" must end in the workflow's name, such as http://127.0.0.1:3000/orders`,
    );
  }
  return { workflowUrl, serverUrl: workflowUrl.slice(0, slash), workflow };
}

/** The URL without slashes at its end. Throws `setting_invalid` for what is no plain http or https address. */
export function httpUrlOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain =
    parsed !== undefined &&
    /^https?:$/.test(parsed.protocol) &&
    `${parsed.search}${parsed.hash}${parsed.username}` === "";
  if (!plain) {
    throw new ClientError(
      "setting_invalid",
      `the URL "${url}" must be an http or https address, without credentials, query or fragment`,
    );
  }
  return parsed.href.replace(/\/+$/, "");
}
