import { openClients } from "../../src/backend/aws/clients.ts";

/** The least that a function with these three services starts with: their clients, as Cauce makes them, and no Cauce. */
export const clients = openClients();
