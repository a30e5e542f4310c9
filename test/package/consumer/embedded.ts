import { type Cauce, CauceError, createCauce, type ErrorCode, type Order } from "cauce";
import { sqlite } from "cauce/sqlite";
import { type FakeClock, fakeClock, given, memory } from "cauce/testing";
import app, { type Claim, claims } from "./claims.app.ts";

// Uses every entry of the package that a program may import, as the entry's types allow.

export async function file(directory: string, claim: Claim): Promise<string> {
  const cauce: Cauce = await createCauce({ apps: app, backend: sqlite({ directory }), delivery: "fifo" });
  try {
    const { placed, order }: { placed: boolean; order: Order } = await cauce.place("claims", claim);
    const response: Response = await cauce.fetch(new Request(`http://localhost/claims/${order.id}`));
    return `${placed} ${order.status} ${response.status}`;
  } catch (error) {
    const code: ErrorCode | undefined = error instanceof CauceError ? error.code : undefined;
    return String(code);
  } finally {
    await cauce.close();
  }
}

export async function rehearse(): Promise<void> {
  const clock: FakeClock = fakeClock();
  const cauce = await createCauce({ apps: [app], backend: memory, clock });
  clock.advance(60);
  await cauce.close();
  given(claims, { status: "assessing" }).afterSeconds(86_400).when({ kind: "expired" }).then({ status: "refused" });
}
