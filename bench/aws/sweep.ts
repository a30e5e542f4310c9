import { sweepHandler } from "../../src/lambda/index.ts";
import { app } from "./app.ts";

export const handler = sweepHandler(app);
