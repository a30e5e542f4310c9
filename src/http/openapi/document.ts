import type { Operation } from "../../api/operation.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { sharedSchemas } from "./answers.ts";
import { createComponents } from "./components.ts";
import { operationOf, type RouteDescription, type Share } from "./describe.ts";
import { serverRoutes } from "./serverRoutes.ts";
import { allWorkflowsRoutes, workflowRoutes } from "./workflowRoutes.ts";
import { putWorkflowSchemas } from "./workflowSchemas.ts";

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
  const components = createComponents(sharedSchemas(operations));
  const names = workflows.map(({ name }) => name);
  const own = workflows.map((each) => putWorkflowSchemas(components, each, operations));
  const routes = [
    ...own.flatMap((each) => workflowRoutes(operations, each)),
    ...allWorkflowsRoutes(operations, components),
    ...serverRoutes(names),
  ];
  const responses: Record<string, object> = {};
  const share: Share = (name, response) => {
    responses[name] = response;
    return { $ref: `#/components/responses/${name}` };
  };
  const paths = pathsOf(routes, secured, share);
  return {
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
      schemas: components.schemas(),
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
}

function pathsOf(routes: readonly RouteDescription[], secured: boolean, share: Share): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, secured, share) };
  }
  return paths;
}
