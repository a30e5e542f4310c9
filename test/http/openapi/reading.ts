import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { operations } from "../../../src/api/operations.ts";
import type { AnyWorkflow } from "../../../src/core/workflow.ts";
import { openApiDocument } from "../../../src/http/openapi/document.ts";

export interface Json {
  readonly [key: string]: unknown;
}

export type Contents = Readonly<Record<string, { readonly schema: Json; readonly example?: unknown }>>;

export interface Operation extends Json {
  readonly operationId: string;
  readonly "x-role": string;
  readonly description: string;
  readonly parameters?: readonly (Json & { name: string; description: string })[];
  readonly requestBody?: { readonly content: Contents };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: Contents }>>;
}

export interface OpenApi extends Json {
  readonly servers: readonly { url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes?: Json };
}

/** Makes the document as clients read it. */
export function documentOf(
  workflows: readonly AnyWorkflow[],
  { basePath = "", secured = true }: { basePath?: string; secured?: boolean } = {},
): OpenApi {
  return JSON.parse(JSON.stringify(openApiDocument({ workflows, operations, basePath, secured, version: "1.2.3" })));
}

/** Gives every operation by method and path: `GET /orders`. */
export function operationsOf({ paths }: OpenApi): Map<string, Operation> {
  return new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    ),
  );
}

/** Asserts that a published validator accepts a document, that its references resolve, and that its schemas compile. */
export async function assertValid(document: OpenApi): Promise<void> {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors, null, 2));
  for (const reference of referencesOf(document)) assert.notEqual(at(document, reference), undefined, reference);
  const check = checkerOf(document);
  for (const name of Object.keys(document.components.schemas)) check(`#/components/schemas/${name}`, null);
}

function referencesOf(value: unknown): string[] {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : key.startsWith("example") ? [] : referencesOf(inner),
  );
}

const unescaped = (part: string) => part.replaceAll("~1", "/").replaceAll("~0", "~");

/** Gives the value that a local reference leads to. */
export function at(document: OpenApi, reference: string): unknown {
  assert.match(reference, /^#\//);
  return reference
    .slice(2)
    .split("/")
    .reduce<unknown>((inner, part) => (inner as Json | undefined)?.[unescaped(part)], document);
}

/** Makes a check of a value against the schema of a reference. The check gives the faults, or null. */
export function checkerOf(document: OpenApi): (reference: string, value: unknown) => string | null {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, "api");
  return (reference, value) => {
    const check = ajv.getSchema(`api${reference}`) ?? ajv.compile({ $ref: `api${reference}` });
    return check(value) ? null : ajv.errorsText(check.errors);
  };
}

/** Makes the reference to a part of the document. */
export function referenceTo(...parts: readonly string[]): string {
  return `#/${parts.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`;
}
