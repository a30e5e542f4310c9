import type { Actor, Entry, StoredOrder, Visit } from "../../core/order.ts";

/**
 * An order's history as text, short enough that an order of four statuses stays within one write unit of DynamoDB:
 * names of processes stand once, UUIDs as 22 characters, times as milliseconds since placing, and what is empty at the
 * end of an entry is left out.
 */
type Row = readonly (string | number | null)[];

const runtimes: readonly Actor["runtime"][] = ["node", "lambda", "pod"];
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function encodeHistory({ entry, past, createdAt }: Pick<StoredOrder, "entry" | "past" | "createdAt">): string {
  const names: string[] = [];
  const rowOf = (each: Entry, visit: readonly (string | number)[]): Row => {
    const { runtime, name, requestId, messageId } = each.by;
    let index = names.indexOf(name);
    if (index < 0) index = names.push(name) - 1;
    const by = runtimes.indexOf(runtime) + index * runtimes.length;
    const row = [each.at - createdAt, by, ...visit, pack(requestId), pack(messageId)];
    row.push(each.reason, each.error, each.key ?? null);
    while (row.at(-1) === null) row.pop();
    return row;
  };
  const rows = [rowOf(entry, []), ...past.map((visit) => rowOf(visit, [visit.status, visit.visit, visit.attempts]))];
  return JSON.stringify([names, ...rows]);
}

export function decodeHistory(text: string, createdAt: number): Pick<StoredOrder, "entry" | "past"> {
  const [names, first, ...others] = JSON.parse(text) as [string[], Row, ...Row[]];
  const entryOf = (row: Row, skip: number): Entry => {
    const by = Number(row[1]);
    const [requestId = null, messageId = null, reason = null, error = null, key = null] = row.slice(2 + skip);
    const entry = {
      at: createdAt + Number(row[0]),
      reason: reason as string | null,
      error: error as string | null,
      by: {
        runtime: runtimes[by % runtimes.length] as Actor["runtime"],
        name: names[Math.floor(by / runtimes.length)] as string,
        requestId: unpack(requestId),
        messageId: unpack(messageId),
      },
    };
    return key === null ? entry : { ...entry, key: key as string };
  };
  const past = others.map((row): Visit => {
    const [status, visit, attempts] = row.slice(2, 5) as [string, number, number];
    return { ...entryOf(row, 3), status, visit, attempts };
  });
  return { entry: entryOf(first, 0), past };
}

/** A UUID as 22 characters behind a tilde; other text as it is, with a tilde doubled where it begins with one. */
function pack(id: string | null): string | null {
  if (id === null) return null;
  if (uuidPattern.test(id)) return `~${Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url")}`;
  return id.startsWith("~") ? `~${id}` : id;
}

function unpack(packed: string | number | null): string | null {
  if (packed === null) return null;
  const text = String(packed);
  if (!text.startsWith("~")) return text;
  if (text.startsWith("~~")) return text.slice(1);
  const hex = Buffer.from(text.slice(1), "base64url").toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
