import { sweepHandler } from "../../src/runtime/lambda/index.ts";
import { app } from "./app.ts";

export const handler = sweepHandler(app);
