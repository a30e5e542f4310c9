import type { Page } from "./markdown.ts";

/** A command of a page's tour, and what the page shows of its output. */
export interface Step {
  readonly command: string;
  readonly shown: string;
}

export interface CurlRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly [string, string][];
  readonly body: string | undefined;
}

export interface ShownAnswer {
  readonly status: number;
  readonly headers: readonly [string, string][];
  /** Empty where the page shows nothing of the body. */
  readonly body: string;
}

/** Gives a page's tour: the commands of all code blocks marked `<!-- tour -->`, in their order. */
export function stepsOf(page: Page): Step[] {
  return page.fences.filter(({ comment }) => comment === "tour").flatMap(({ body }) => stepsIn(body));
}

/** Gives the commands of a code block: `$ ` begins a command, and `\` continues it on the next line. */
export function stepsIn(body: string): Step[] {
  return body
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...shown] = part.replace(/\\\n\s*/g, "").split("\n");
      return { command: command.trim(), shown: shown.join("\n").trim() };
    });
}

/** Gives the request that a curl command sends. Throws for an option of curl that it does not know. */
export function parseCurl(command: string): CurlRequest {
  const [name, ...words] = wordsOf(command);
  if (name !== "curl") throw new Error(`no curl command: ${command}`);
  const headers: [string, string][] = [];
  const urls: string[] = [];
  let method: string | undefined;
  let body: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "-i") continue;
    if (word === "-X") method = words.shift();
    else if (word === "-d") body = words.shift();
    else if (word === "-H") headers.push(headerOf(words.shift() ?? ""));
    else if (word.startsWith("-")) throw new Error(`the tour's test does not know ${word} of curl`);
    else urls.push(word);
  }
  const [url] = urls;
  if (url === undefined || urls.length > 1) throw new Error(`one address, please: ${command}`);
  return { url, method: method ?? (body === undefined ? "GET" : "POST"), headers, body };
}

/** Parses a page's output of `curl -i`: the status line, some headers, and the beginning of the body. */
export function parseAnswer(shown: string): ShownAnswer {
  const [first = "", ...lines] = shown.split("\n");
  const status = /^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(first)?.[1];
  if (status === undefined) throw new Error(`an answer begins with its status line, and not with ${first}`);
  const start = lines.findIndex((line) => line.startsWith("{"));
  const headers = lines.slice(0, start < 0 ? lines.length : start).map(headerOf);
  return { status: Number(status), headers, body: start < 0 ? "" : lines.slice(start).join("\n") };
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(": ");
  if (colon < 0) throw new Error(`no header: ${line}`);
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
}

/** Gives a command's words without single quotes. Throws for text that a shell would expand. */
export function wordsOf(command: string): string[] {
  const words = command.match(/(?:'[^']*'|[^\s'])+/g) ?? [];
  return words.map((word) => {
    const bare = word.replace(/'([^']*)'/g, "$1");
    // Refuse text outside of single quotes that a shell would expand.
    if (/["$`\\]/.test(word.replace(/'[^']*'/g, ""))) throw new Error(`only single quotes, please: ${word}`);
    return bare;
  });
}
