export interface BatchAnswer {
  readonly line: number;
  /** 202: placed; 200: an earlier try placed it; any other status: refused. */
  readonly status: number;
  readonly order?: { readonly id: string };
  readonly problem?: { readonly code: string; readonly detail: string };
}

// #region send
/** Sends at most 10,000 rows at once. A repeat after a broken connection places the missing rows, and no row twice. */
export async function sendRows(url: string, rows: readonly { key: string; data: unknown }[]): Promise<BatchAnswer[]> {
  const lines = rows.map(({ key, data }) => JSON.stringify({ idempotencyKey: key, data }));
  const answer = await fetch(`${url}/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as BatchAnswer);
}
// #endregion
