const note = "Please leave it with the neighbours if no one is in.";

export const customers = 10_000;

export function customerId(number: number): string {
  return `customer-${String(number).padStart(5, "0")}`;
}

/** Builds a plain order that no handler rejects, reviews or fails. `orders.lua` builds the same for wrk. */
export function sampleOrder() {
  const whole = (min: number, max: number) => min + Math.floor(Math.random() * (max - min + 1));
  return {
    customerId: customerId(whole(1, customers)),
    currency: whole(1, 2) === 1 ? "EUR" : "USD",
    items: Array.from({ length: whole(1, 3) }, () => ({
      sku: `SKU-${String(whole(1, 50_000)).padStart(5, "0")}`,
      quantity: whole(1, 4),
      unitPrice: whole(100, 50_000) / 100,
    })),
    ...(whole(1, 4) === 1 ? { note } : {}),
  };
}
