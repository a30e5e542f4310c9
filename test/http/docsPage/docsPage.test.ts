import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { serving } from "../serving.ts";

async function served(t: Parameters<typeof serving>[0]) {
  const { request } = await serving(t, { auth: { keys: [] }, basePath: "/api" });
  const response = await request("GET", "/docs");
  assert.equal(response.status, 200);
  return { html: await response.text(), headers: response.headers };
}

const inside = (html: string, name: string) => [
  ...html.matchAll(new RegExp(`<${name}(?: [^>]*)?>([\\s\\S]*?)</${name}>`, "g")),
];

test("the docs page is HTML with its style and script inside, and needs no key", async (t) => {
  const { html, headers } = await served(t);
  assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(html, /^<!doctype html>\n<html lang="en">/);
  assert.match(html, /<title>.+<\/title>/);
  assert.equal(inside(html, "style").length, 1);
  assert.equal(inside(html, "script").length, 1);
});

test("the docs page closes its tags in order, and uses each id once", async (t) => {
  const { html } = await served(t);
  const frame = html.replace(/<(style|script)(?: [^>]*)?>[\s\S]*?<\/\1>/g, "");
  const open: string[] = [];
  for (const [, end, name = "", empty] of frame.matchAll(/<(\/?)([a-z][a-z0-9]*)(?: [^>]*?)?(\/?)>/g)) {
    if (empty === "/") continue;
    if (end === "/") assert.equal(open.pop(), name);
    else open.push(name);
  }
  assert.deepEqual(open, []);
  const ids = [...frame.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, id] of frame.matchAll(/ (?:for|href)="#?([a-z]+)"/g)) assert.ok(ids.includes(id), id);
  for (const landmark of ["header", "nav", "main"]) assert.equal(inside(frame, landmark).length, 1, landmark);
  assert.equal(inside(frame, "h1").length, 1);
});

test("the docs page lets the browser run the page's own code and call this server, and nothing else", async (t) => {
  const { html, headers } = await served(t);
  const policy = new Map(
    (headers.get("content-security-policy") ?? "").split("; ").map((rule) => {
      const [name = "", ...values] = rule.split(" ");
      return [name, values.join(" ")];
    }),
  );
  const digest = (name: string) => `'sha256-${hash("sha256", inside(html, name)[0]?.[1] ?? "", "base64")}'`;
  assert.equal(policy.get("default-src"), "'none'");
  assert.equal(policy.get("script-src"), digest("script"));
  assert.equal(policy.get("style-src"), digest("style"));
  assert.equal(policy.get("connect-src"), "'self'");
  for (const name of ["base-uri", "form-action", "frame-ancestors"]) assert.equal(policy.get(name), "'none'");
});

test("the docs page names no other server, and makes no HTML of text", async (t) => {
  const { html } = await served(t);
  assert.doesNotMatch(html, /(?:https?:)?\/\/[a-z0-9-]+\.[a-z]/i);
  assert.doesNotMatch(html, /url\(|@import|\bimport\b\s*[({"]|^export /m);
  assert.doesNotMatch(html, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b| style="| on[a-z]+="/);
  assert.doesNotMatch(html, /localStorage|sessionStorage|\.cookie|indexedDB/);
});
