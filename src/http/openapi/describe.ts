/** How a route is described, and what OpenAPI makes of that. */
import { STATUS_CODES } from "node:http";
import type { Access } from "../auth.ts";
import { type HttpErrorCode, httpStatusOf } from "../problem.ts";
import { meaningOf } from "./answers.ts";
import { type JsonSchema, refTo } from "./components.ts";

export interface Content {
  readonly type: string;
  readonly schema: JsonSchema;
  /** The schema of one line or event, where the body is a stream of them. */
  readonly itemSchema?: JsonSchema;
  readonly example?: unknown;
}

export interface Answer {
  readonly description: string;
  readonly content?: Content;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>;
}

export interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly description: string;
  readonly schema: JsonSchema;
  readonly required?: boolean;
}

export interface RouteDescription {
  readonly operationId: string;
  readonly tag: string;
  /** What a key needs; undefined for a route that needs none. */
  readonly access: Access | undefined;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: Content & { readonly required: boolean; readonly description?: string };
  readonly answers: Readonly<Record<number, Answer>>;
  readonly errors: readonly HttpErrorCode[];
}

/** Routes by method and path: `GET /orders/{id}`. */
export type RouteTable = Readonly<Record<string, RouteDescription>>;

/** What any route that asks the store or the engine may meet. */
export const unwell = ["internal_error", "store_unavailable", "store_unreadable", "store_corrupt", "closed"] as const;

/** The parameters of a query that a schema checks. */
export function queryOf(schema: JsonSchema, descriptions: Readonly<Record<string, string>>): Parameter[] {
  return Object.entries(schema.properties as Readonly<Record<string, JsonSchema>>).map(([name, schema]) => ({
    in: "query",
    name,
    description: descriptions[name] ?? "",
    schema,
  }));
}

/** Keeps a response that many operations give under a name, and gives the reference to it. */
export type Share = (name: string, response: object) => object;

/** A route as an OpenAPI operation. Without API keys nothing is refused for one. */
export function operationOf(route: RouteDescription, secured: boolean, share: Share): object {
  const { access, body, errors, parameters = [] } = route;
  const guarded = secured && access !== undefined;
  const given: HttpErrorCode[] = [
    ...errors,
    "headers_too_large",
    ...(guarded ? (["unauthorized"] as const) : []),
    ...(guarded && access !== "any" ? (["forbidden"] as const) : []),
  ];
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, roleText(access)].filter(Boolean).join("\n\n"),
    "x-role": access ?? "none",
    ...(secured ? { security: guarded ? [{ apiKey: [] }] : [] } : {}),
    ...(parameters.length > 0 ? { parameters: parameters.map(parameterOf) } : {}),
    ...(body === undefined ? {} : { requestBody: requestBodyOf(body) }),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, responseOf(answer)])),
      ...problemsOf(given, route.answers, share),
    },
  };
}

function roleText(access: Access | undefined): string {
  if (access === undefined) return "Needs no API key.";
  if (access === "any") return "Needs any API key, where keys are in use.";
  return access === "operate" ? "Role: `operate`." : `Role: \`${access}\` or \`operate\`.`;
}

function parameterOf({ in: where, name, description, schema, required }: Parameter): object {
  return { name, in: where, description, required: where === "path" || required === true, schema };
}

function contentOf({ type, schema, itemSchema, example }: Content): object {
  return {
    [type]: {
      schema,
      ...(itemSchema === undefined ? {} : { "x-item-schema": itemSchema }),
      ...(example === undefined ? {} : { example }),
    },
  };
}

function requestBodyOf(body: NonNullable<RouteDescription["body"]>): object {
  const { description, required } = body;
  return { ...(description === undefined ? {} : { description }), required, content: contentOf(body) };
}

function responseOf({ description, content, headers }: Answer): object {
  return {
    description,
    ...(headers === undefined ? {} : { headers }),
    ...(content === undefined ? {} : { content: contentOf(content) }),
  };
}

const problemHeaders: Readonly<Record<number, Answer["headers"]>> = {
  401: { "WWW-Authenticate": { description: "Always `Bearer`.", schema: { type: "string", const: "Bearer" } } },
  503: {
    "Retry-After": { description: "After how many seconds to try again.", schema: { type: "integer", minimum: 1 } },
  },
};

const statusOf: Readonly<Record<string, number | null>> = httpStatusOf;

/** The problems of some codes, by status. A status that has an answer of its own keeps it. */
function problemsOf(given: readonly HttpErrorCode[], answers: RouteDescription["answers"], share: Share): object {
  const byStatus = new Map<number, string[]>();
  for (const code of given) {
    const status = statusOf[code];
    if (typeof status !== "number" || answers[status] !== undefined) continue;
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
