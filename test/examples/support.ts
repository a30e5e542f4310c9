import { setTimeout as delay } from "node:timers/promises";
import type { Order } from "cauce";

/** Makes an order's data, with the given skus. */
export function sampleOrder(skus: readonly string[] = ["TEA-1"], unitPrice = 4.5) {
  return { customerId: "c-1", currency: "EUR", items: skus.map((sku) => ({ sku, quantity: 2, unitPrice })) };
}

/** Reads an order over HTTP until it is as wanted. The test's own time limit ends an endless wait. */
export async function waitFor(url: URL | string, wanted: (order: Order) => boolean): Promise<Order> {
  for (;;) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const order = (await response.json()) as Order;
    if (wanted(order)) return order;
    await delay(10);
  }
}
