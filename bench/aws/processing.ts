import { processingHandler } from "../../src/lambda/index.ts";
import { app } from "./app.ts";

export const handler = processingHandler(app);
