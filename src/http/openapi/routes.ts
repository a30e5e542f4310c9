import type { Engine } from "../../engine/engine.ts";
import type { Route } from "../routes.ts";
import { version } from "../version.ts";

export interface ReferenceOptions {
  readonly engines: readonly Engine[];
  readonly basePath: string;
  /** Whether the server asks for API keys. */
  readonly secured: boolean;
}

/**
 * `GET /openapi.json` and the page `GET /docs`. Each is made at its first request and kept as text, and what makes it is
 * loaded then: a server that nobody asks for its reference pays nothing for it.
 */
export function referenceRoutes({ engines, basePath, secured }: ReferenceOptions): Route[] {
  let document: Promise<string> | undefined;
  let page: Promise<{ html: string; headers: Readonly<Record<string, string>> }> | undefined;
  const workflows = engines.map(({ workflow }) => workflow);

  return [
    {
      method: "GET",
      path: "/openapi.json",
      access: "any",
      async answer() {
        document ??= import("./document.ts").then(({ openApiDocument }) =>
          JSON.stringify(openApiDocument({ workflows, basePath, secured, version: version() })),
        );
        return new Response(await document, { headers: { "Content-Type": "application/json" } });
      },
    },
    {
      method: "GET",
      path: "/docs",
      access: undefined,
      async answer() {
        page ??= import("../docsPage/docsPage.ts").then(({ docsPage }) => docsPage());
        const { html, headers } = await page;
        return new Response(html, { headers });
      },
    },
  ];
}
