import { requestHandler } from "cauce/lambda";
import app from "./parcels.app.ts";

export const handler = requestHandler(app);
