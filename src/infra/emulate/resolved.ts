import type { Value } from "./intrinsics.ts";

/** A resource's properties without references. */
export type Properties = Readonly<Record<string, Value | undefined>>;

export interface Resolved {
  /** Its id in the template. */
  readonly id: string;
  readonly type: string;
  readonly properties: Properties;
}
