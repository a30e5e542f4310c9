export const heldCustomer = "held";
