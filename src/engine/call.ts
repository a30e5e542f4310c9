/** Who asks for something to be done to an order, and how the request is told apart from others. */

/** What a key may do. `intake`: place orders, nothing else. `read`: every GET. `operate`: everything. */
export const roles = ["intake", "read", "operate"] as const;
export type Role = (typeof roles)[number];

/** The caller: an API key, the process that uses the library, or anyone where the server asks for no keys. */
export type Who =
  | { readonly kind: "key"; readonly name: string; readonly role: Role }
  | { readonly kind: "process" }
  | { readonly kind: "open" };

/** One call of an operation, as each door (HTTP, library, test) tells it. */
export interface Call {
  readonly who: Who;
  /** The caller's request id, kept in the history. */
  readonly requestId?: string | null | undefined;
  /** 1 to 255 characters. The same key and content give the same order, for as long as the order lives. */
  readonly idempotencyKey?: string | undefined;
}
