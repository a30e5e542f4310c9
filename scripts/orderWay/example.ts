/** The app whose orders are followed, by its path in the checkout. */
export const appFile = "examples/orders/orders.app.ts";

/** An order that passes every handled status of the app, each at its first attempt. */
export const orderText = JSON.stringify({
  customerId: "c-1",
  currency: "EUR",
  items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }],
});

/** Orders that are placed before the first that is measured: by then every module is loaded. */
export const ordersWarming = 20;
export const ordersMeasured = 5;
