/** Turns the description of a route into an OpenAPI operation. */
import { STATUS_CODES } from "node:http";
import type { z } from "zod";
import type { ErrorCode } from "../../core/errors.ts";
import type { RequiredRole } from "../auth.ts";
import { httpStatusOf, isHttpErrorCode } from "../problem.ts";
import { inlineSchema, type JsonSchema, meaningOf, refTo } from "./components.ts";

/** A response as the document shows it. */
interface ResponseDescription {
  readonly description: string;
  readonly headers?: object;
  readonly content?: Content;
}

/** A body as the document shows it, by media type. */
export type Content = Readonly<
  Record<
    string,
    { readonly schema: JsonSchema; readonly example?: unknown; readonly [extension: `x-${string}`]: unknown }
  >
>;

export interface RouteDescription {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the base path, with its parameters in braces. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  /** What the API key must allow. Undefined: the route needs no key. */
  readonly access: RequiredRole | undefined;
  readonly summary: string;
  readonly description?: string | undefined;
  readonly parameters?: {
    readonly path?: z.ZodObject | undefined;
    readonly query?: z.ZodObject | undefined;
    readonly header?: z.ZodObject | undefined;
  };
  readonly body?: { readonly content: Content; readonly required: boolean } | undefined;
  /** The responses that are no problem documents, by HTTP status. */
  readonly answers: Readonly<Record<number, ResponseDescription>>;
  readonly errors: readonly ErrorCode[];
}

export const json = (schema: JsonSchema, example?: unknown): Content => ({
  "application/json": { schema, ...(example === undefined ? {} : { example }) },
});

/** Adds a response that many operations share under a name, and returns the reference to it. */
export type Share = (name: string, response: object) => { $ref: string };

/** Makes the OpenAPI operation of a route. `secured`: the server asks for API keys. */
export function operationOf(route: RouteDescription, secured: boolean, share: Share): object {
  const { access, body, errors, parameters = {}, answers } = route;
  const guarded = secured && access !== undefined;
  const given: ErrorCode[] = [
    ...errors,
    "headers_too_large",
    ...(guarded ? (["unauthorized"] as const) : []),
    ...(guarded && access !== "any" ? (["forbidden"] as const) : []),
  ];
  const inUse = Object.entries(parameters).flatMap(([where, fields]) => parametersOf(where, fields));
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, roleText(access)].filter(Boolean).join("\n\n"),
    "x-role": access ?? "none",
    ...(secured ? { security: guarded ? [{ apiKey: [] }] : [] } : {}),
    ...(inUse.length > 0 ? { parameters: inUse } : {}),
    ...(body === undefined ? {} : { requestBody: { ...body } }),
    responses: { ...answers, ...problemsOf(given, answers, share) },
  };
}

/** Makes a parameter of each field. The description moves from the field's schema to the parameter. */
function parametersOf(where: string, fields: z.ZodObject | undefined): object[] {
  return Object.entries((fields?.shape ?? {}) as Readonly<Record<string, z.ZodType>>).map(([name, field]) => {
    const { description = "", ...schema } = inlineSchema(field);
    // A field with a default may be left out.
    const required = where === "path" || !field.safeParse(undefined).success;
    return { name, in: where, description, required, schema };
  });
}

function roleText(access: RequiredRole | undefined): string {
  if (access === undefined) return "Needs no API key.";
  if (access === "any") return "Needs any API key, where keys are in use.";
  return access === "operate" ? "Role: `operate`." : `Role: \`${access}\` or \`operate\`.`;
}

const problemHeaders: Readonly<Record<number, object>> = {
  401: { "WWW-Authenticate": { description: "Always `Bearer`.", schema: { type: "string", const: "Bearer" } } },
  503: {
    "Retry-After": { description: "After how many seconds to try again.", schema: { type: "integer", minimum: 1 } },
  },
};

/** Makes the problem responses of some codes, by HTTP status. A status that has a response already keeps that one. */
function problemsOf(given: readonly ErrorCode[], answers: RouteDescription["answers"], share: Share) {
  const byStatus = new Map<number, string[]>();
  for (const code of given) {
    if (!isHttpErrorCode(code)) continue;
    const status: number = httpStatusOf[code];
    if (answers[status] !== undefined) continue;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [status, share([status, ...codes].join("-"), problemOf(status, codes))]),
  );
}

function problemOf(status: number, codes: readonly string[]): object {
  const headers = problemHeaders[status];
  const title = STATUS_CODES[status] ?? "";
  const example = (code: string) => ({
    summary: code,
    value: { type: "about:blank", title, status, detail: meaningOf(code), code },
  });
  return {
    description: codes.map((code) => `\`${code}\`: ${meaningOf(code)}`).join("\n\n"),
    ...(headers === undefined ? {} : { headers }),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            refTo("Problem"),
            { properties: { status: { const: status }, code: { enum: codes } }, required: ["status", "code"] },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, example(code)])),
      },
    },
  };
}
