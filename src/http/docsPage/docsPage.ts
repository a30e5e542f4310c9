import { hash } from "node:crypto";
import { frame } from "./frame.ts";
import { nodesScript } from "./nodes.ts";
import { pageScript } from "./page.ts";
import { schemaScript } from "./schema.ts";
import { style } from "./style.ts";
import { styleInside } from "./styleInside.ts";

/**
 * The page that shows `/openapi.json`: one text with its style and script in it. The policy lets the browser run that
 * script and talk to this server, and nothing else, so the page works offline and sends a key nowhere.
 *
 * Its parts are texts in modules and not files beside them, so that a bundle of one file serves it. Each stands as the
 * browser gets it, so none may have a backtick or a placeholder.
 */
export function docsPage(): { html: string; headers: Readonly<Record<string, string>> } {
  const css = `${style}\n${styleInside}`;
  const script = [nodesScript, schemaScript, pageScript].join("\n");
  const html = frame
    .replace("<style></style>", () => `<style>${css}</style>`)
    .replace("<script></script>", () => `<script type="module">${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(script)}'`,
    `style-src '${digestOf(css)}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    html,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy.join("; "),
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-cache",
    },
  };
}

function digestOf(text: string): string {
  return `sha256-${hash("sha256", text, "base64")}`;
}
