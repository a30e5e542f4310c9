import type { z } from "zod";
import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from "zod-openapi";
import type { Operation } from "../../api/operation.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { sharedSchemas } from "./answers.ts";
import { createComponents, type JsonSchema, openObjects } from "./components.ts";
import { operationOf, type RouteDescription, type Share } from "./describe.ts";
import { serverRoutes } from "./serverRoutes.ts";
import { allWorkflowsRoutes, workflowRoutes } from "./workflowRoutes.ts";
import { putWorkflowSchemas, type WorkflowSchemas } from "./workflowSchemas.ts";

export interface DocumentOptions {
  readonly workflows: readonly AnyWorkflow[];
  /** What can be done to each workflow's orders. */
  readonly operations: readonly Operation[];
  /** Where the API is mounted: empty, or such as `/api`. */
  readonly basePath: string;
  /** Whether the server asks for API keys. */
  readonly secured: boolean;
  /** Cauce's own. */
  readonly version: string;
}

/** The API as OpenAPI 3.1: one set of paths for each workflow, then the server's own. */
export function openApiDocument({ workflows, operations, basePath, secured, version }: DocumentOptions): object {
  const components = createComponents(sharedSchemas());
  const names = workflows.map(({ name }) => name);
  const own = workflows.map((each) => putWorkflowSchemas(components, each, operations));
  const routes = [
    ...own.flatMap((each) => workflowRoutes(operations, each)),
    ...allWorkflowsRoutes(operations),
    ...serverRoutes(names),
  ];
  const responses: Record<string, ZodOpenApiResponseObject> = {};
  const share: Share = (name, response) => {
    responses[name] = response;
    return { $ref: `#/components/responses/${name}` };
  };
  const paths = pathsOf(routes, secured, share);
  const document: ZodOpenApiObject = {
    openapi: "3.1.0",
    info: {
      title: `Cauce: ${names.join(", ")}`,
      version,
      description:
        "Takes orders in, stores each one before it answers, and processes it status by status. Names are in camelCase, times in ISO 8601 and UTC. Every error is `application/problem+json` with a stable `code`. `GET` routes answer `HEAD` too.",
    },
    servers: [{ url: basePath === "" ? "/" : basePath }],
    ...(secured ? { security: [{ apiKey: [] }] } : {}),
    tags: [
      ...workflows.map(({ name, statuses }) => ({
        name,
        description: `Statuses: ${Object.keys(statuses).join(", ")}.`,
      })),
      { name: "server", description: "The server itself." },
    ],
    paths,
    components: {
      schemas: components.shapes,
      responses,
      ...(secured
        ? {
            securitySchemes: {
              apiKey: {
                type: "http",
                scheme: "bearer",
                description:
                  "`Authorization: Bearer <key>`. The key's role says what it may do: `intake` places orders and nothing else, `read` may use every GET, `operate` everything. `x-role` of an operation names the role that it needs.",
              },
            },
          }
        : {}),
    },
  };
  return withWorkflows(createDocument(document, { override }), components.schemas, own);
}

/**
 * The document with the workflows' own schemas. The library is not given these: it knows references between zod schemas
 * alone, and takes an id that a schema has for the name of a component, whatever other workflow has the same.
 */
function withWorkflows(
  document: ReturnType<typeof createDocument>,
  schemas: Readonly<Record<string, JsonSchema>>,
  own: readonly WorkflowSchemas[],
): object {
  const made: Record<string, unknown> = { ...document.components?.schemas, ...schemas };
  for (const [component, property, schema] of own.flatMap(({ fills }) => fills)) {
    const { properties, ...rest } = made[component] as { properties: object };
    made[component] = { ...rest, properties: { ...properties, [property]: schema } };
  }
  return { ...document, components: { ...document.components, schemas: made } };
}

/** What the document leaves out of what zod makes of Cauce's own schemas. */
function override(context: { zodSchema: z.core.$ZodType; jsonSchema: JsonSchema }): void {
  openObjects(context);
  const { jsonSchema } = context as { jsonSchema: { maximum?: number; minimum?: number } };
  // Zod bounds every whole number by what a double holds; that is no rule of the API.
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}

function pathsOf(routes: readonly RouteDescription[], secured: boolean, share: Share): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, secured, share) };
  }
  return paths;
}
