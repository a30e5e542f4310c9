import type { BoundWorkflow } from "../../api/around.ts";
import { ownRoute, type Route } from "../routes.ts";
import { openApiDocument } from "./document.ts";

interface ReferenceOptions {
  readonly bound: readonly BoundWorkflow[];
  readonly basePath: string;
  /** Whether the server asks for API keys. */
  readonly secured: boolean;
}

/**
 * The routes `GET /openapi.json` and `GET /docs`. Each response is made at its first request and kept. The document's code
 * is imported statically on purpose: a dynamic import of a module that uses zod defeats tree shaking, and puts every locale
 * of zod into the bundle.
 */
export function referenceRoutes({ bound, basePath, secured }: ReferenceOptions): Route[] {
  let document: string | undefined;
  let page: Promise<{ html: string; headers: Readonly<Record<string, string>> }> | undefined;
  const workflows = bound.map(({ engine }) => engine.workflow);
  const operations = [...(bound[0]?.operations.values() ?? [])].map(({ operation }) => operation);

  return [
    ownRoute("/openapi.json", () => {
      document ??= JSON.stringify(openApiDocument({ workflows, operations, basePath, secured, version }));
      return new Response(document, { headers: { "Content-Type": "application/json" } });
    }),
    ownRoute("/docs", async () => {
      page ??= import("../docsPage/docsPage.ts").then(({ docsPage }) => docsPage());
      const { html, headers } = await page;
      return new Response(html, { headers });
    }),
  ];
}

/** Cauce's own version, as in package.json. It stands here too, since a bundle of one file has no package.json. */
export const version = "0.1.0";
