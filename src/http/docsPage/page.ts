/** What /docs runs in the browser: reads openapi.json, which lies beside the page, and shows it. */
export const pageScript = String.raw`const byId = (id) => document.getElementById(id);

const pretty = (value) => (typeof value === "string" ? value.trimEnd() : JSON.stringify(value, null, 2));
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

/** The command that calls a route, with the example as its body. */
function curlOf(method, path, route) {
  const base = new URL(shown.api.servers[0].url, location.href).href.replace(/\/$/, "");
  const url = base + path.replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase());
  const [type, content] = Object.entries(route.requestBody?.content ?? {})[0] ?? [];
  const streamed = Object.keys(resolved(route.responses[200]).content ?? {}).some(
    (name) => name === "text/event-stream",
  );
  const example = typeof content?.example === "string" ? content.example.trimEnd() : JSON.stringify(content?.example);
  const usual = method === "get" || (method === "post" && example);
  return [
    "curl" + (streamed ? " -N" : "") + (usual ? "" : " -X " + method.toUpperCase()) + " " + quoted(url),
    route.security?.length > 0 ? "-H 'authorization: Bearer KEY'" : "",
    example ? "-H 'content-type: " + type + "'" : "",
    example ? "--data-binary " + quoted(example) : "",
  ]
    .filter(Boolean)
    .join(" \\\n  ");
}

function bodyOf({ content, description, required }) {
  return Object.entries(content).map(([type, { schema, example, "x-item-schema": item }]) => [
    el("h4", {}, "Body ", el("span", { class: "aside" }, type, required === false ? ", may be left out" : "")),
    prose(description),
    item ? el("p", {}, "Each line:") : null,
    schemaList(item ?? schema),
    example === undefined ? null : unfolding("Example", () => sample(pretty(example), "the example of the body")),
  ]);
}

function parametersOf(parameters) {
  return [
    el("h4", {}, "Parameters"),
    el(
      "ul",
      { class: "schema" },
      parameters.map(({ name, in: where, required, schema, description }) =>
        el(
          "li",
          {},
          el("code", { class: "name" }, name),
          " ",
          el("span", { class: "type" }, where + ", " + typeOf(schema)),
          required ? null : el("span", { class: "optional" }, "optional"),
          limitsOf(schema),
          el("div", { class: "said" }, inline(description)),
        ),
      ),
    ),
  ];
}

const isProblem = (answer) => answer.content?.["application/problem+json"] !== undefined;

function answersOf(answers) {
  return [
    el("h4", {}, "Answers"),
    answers
      .filter(([, answer]) => !isProblem(answer))
      .map(([status, { description, headers, content = {} }]) =>
        el(
          "div",
          { class: "answer" },
          el("p", {}, el("strong", { class: "status" }, status), " ", inline(description)),
          Object.entries(headers ?? {}).map(([name, header]) =>
            el("p", { class: "said" }, "Header ", el("code", {}, name), ": ", inline(header.description)),
          ),
          Object.entries(content).map(([type, { schema, example, "x-item-schema": item }]) => [
            unfolding([type, " ", el("span", { class: "type" }, item ? "each: " + typeOf(item) : typeOf(schema))], () =>
              schemaList(item ?? schema),
            ),
            example === undefined
              ? null
              : unfolding("Example", () => sample(pretty(example), "the example of " + status)),
          ]),
        ),
      ),
  ];
}

function errorsOf(answers) {
  const rows = answers.flatMap(([status, { content }]) =>
    Object.entries(content?.["application/problem+json"]?.examples ?? {}).map(([code, { value }]) =>
      el(
        "li",
        {},
        el("strong", { class: "status" }, status),
        " ",
        el("code", { class: "name" }, code),
        el("div", { class: "said" }, inline(value.detail)),
      ),
    ),
  );
  return rows.length === 0 ? null : [el("h4", {}, "Errors"), el("ul", { class: "schema" }, rows)];
}

function routeOf({ method, path, route }) {
  const role = route["x-role"];
  const summary = [
    el(
      "h3",
      {},
      el("span", { class: "method " + method }, method.toUpperCase()),
      " ",
      el("code", { class: "path" }, path),
    ),
    el("span", { class: "summary" }, route.summary),
    el("span", { class: "role" }, role === "none" ? "open" : role === "any" ? "any key" : role),
  ];
  const answers = Object.entries(route.responses).map(([status, answer]) => [status, resolved(answer)]);
  const fold = unfolding(summary, () =>
    el(
      "div",
      { class: "inside" },
      prose(route.description),
      sample(curlOf(method, path, route), "the command"),
      route.parameters ? parametersOf(route.parameters) : null,
      route.requestBody ? bodyOf(route.requestBody) : null,
      answersOf(answers),
      errorsOf(answers),
    ),
  );
  fold.id = route.operationId;
  fold.className = "route";
  return fold;
}

function show() {
  const { api } = shown;
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => ({ method, path, route })),
  );
  document.title = api.info.title + ": API reference";
  byId("title").textContent = api.info.title;
  byId("about").replaceChildren(
    ...inline(api.info.description),
    " Version " + api.info.version + "; the same for programs: ",
    el("a", { href: "openapi.json" }, "openapi.json"),
    ".",
  );
  const groups = api.tags.map((tag) => ({ tag, own: routes.filter(({ route }) => route.tags.includes(tag.name)) }));
  const link = ({ method, path, route }) =>
    el(
      "li",
      {},
      el(
        "a",
        { href: "#" + route.operationId },
        el("span", { class: "method " + method }, method.toUpperCase()),
        el("span", {}, path),
      ),
    );
  const menu = el(
    "details",
    {},
    el("summary", {}, "Routes"),
    groups.map(({ tag, own }) => [el("p", { class: "group" }, tag.name), el("ul", {}, own.map(link))]),
  );
  menu.open = matchMedia("(min-width: 60rem)").matches;
  byId("nav").replaceChildren(menu);
  byId("nav").hidden = false;
  byId("routes").replaceChildren(
    ...groups.map(({ tag, own }) =>
      el(
        "section",
        { "aria-labelledby": "tag-" + tag.name },
        el("h2", { id: "tag-" + tag.name }, tag.name),
        prose(tag.description),
        own.map(routeOf),
      ),
    ),
  );
  byId("state").hidden = true;
  byId("ask").hidden = true;
  goTo();
}

/** Opens the route that the address names. */
function goTo() {
  const route = byId(decodeURIComponent(location.hash.slice(1)));
  if (route?.tagName !== "DETAILS") return;
  route.open = true;
  route.scrollIntoView();
  route.querySelector("summary").focus({ preventScroll: true });
}

/** Reads the document; asks for a key where the server wants one. */
async function load(key) {
  const answer = await fetch("openapi.json", key === undefined ? {} : { headers: { authorization: "Bearer " + key } });
  if (answer.status === 401) {
    byId("refused").textContent = key === undefined ? "" : "The server does not know this key.";
    byId("state").hidden = true;
    byId("ask").hidden = false;
    byId("key").focus();
    return;
  }
  if (!answer.ok) throw new Error("the server answered " + answer.status);
  shown.api = await answer.json();
  show();
}

async function start(key) {
  try {
    await load(key);
  } catch (error) {
    byId("state").hidden = false;
    byId("state").textContent =
      "The API description could not be read: " + error.message + ". Load the page again to try once more.";
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  start(byId("key").value.trim());
});
addEventListener("hashchange", goTo);
start();
`;
