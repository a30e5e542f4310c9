import { openClients } from "../../src/backend/aws/clients.ts";
import { requestHandler } from "../../src/lambda/index.ts";
import { app } from "./app.ts";

export const handler = requestHandler(app);
// The handler makes its clients with the first request. A cold start pays for them either way, so they count here.
export const clients = openClients();
