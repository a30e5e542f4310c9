import { openClients } from "../../src/backend/aws/clients.ts";

/** Starts the clients of these three services, as Cauce makes them, and no Cauce: the least that a function needs. */
export const clients = openClients();
