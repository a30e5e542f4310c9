import { hash } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * The page that shows `/openapi.json`: one text with its style and script in it. The policy lets the browser run that
 * script and talk to this server, and nothing else, so the page works offline and sends a key nowhere.
 */
export function docsPage(): { html: string; headers: Readonly<Record<string, string>> } {
  const [frame, style] = [textOf("page.html"), textOf("page.css")];
  const script = ["nodes.js", "schema.js", "page.js"].map((name) => alone(textOf(name))).join("\n");
  const html = frame
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace("<script></script>", () => `<script type="module">${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(script)}'`,
    `style-src '${digestOf(style)}'`,
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

function textOf(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

/** A module without its imports and exports: the page holds them all, one after the other, as one. */
function alone(module: string): string {
  return module.replace(/^import [^;]*;\n/gm, "").replace(/^export /gm, "");
}

function digestOf(text: string): string {
  return `sha256-${hash("sha256", text, "base64")}`;
}
