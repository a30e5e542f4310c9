/** The queries of the server's own routes, and the pattern of the request id. */
import * as z from "zod";
import { later, statusName, text, wholeNumber } from "../api/fields.ts";
import { minutesMax } from "../engine/telemetry/meter.ts";

/** `GET /events` */
export const eventsQuery = later(() =>
  z.strictObject({
    workflow: text(40).optional(),
    status: statusName().optional().describe("Only transitions into this status."),
    order: text(256).optional().describe("Only the order with this id."),
  }),
);

/** `GET /stats` */
export const statsQuery = later(() =>
  z.strictObject({ minutes: wholeNumber(minutesMax).default(60).describe("How many minutes back.") }),
);

/** 1 to 128 visible ASCII characters. */
export const requestIdPattern = /^[\x21-\x7e]{1,128}$/;
