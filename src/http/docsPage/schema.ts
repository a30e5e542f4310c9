/** JSON Schemas as lists to unfold. */
export const schemaScript = `/** The document that the page shows. */
const shown = { api: {} };

/** What a reference leads to; anything else is what it is. */
function resolved(value) {
  if (typeof value?.$ref !== "string") return value ?? {};
  const path = value.$ref.slice(2).split("/");
  return path.reduce((inner, part) => inner?.[part], shown.api) ?? {};
}

const nameOf = (schema) => schema.$ref?.split("/").at(-1);

/** A schema in a few words: "list of orders.Item", "text or null". */
function typeOf(schema) {
  if (schema === true) return "anything";
  if (schema.$ref) return nameOf(schema);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(typeOf).join(" | ");
  if (schema.type === "array") {
    return schema.prefixItems
      ? "[" + schema.prefixItems.map(typeOf).join(", ") + "]"
      : "array of " + typeOf(schema.items ?? true);
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return "object of " + typeOf(schema.additionalProperties);
  }
  return [schema.type ?? "anything"].flat().join(" | ");
}

/** What else a schema asks of a value. */
function limitsOf(schema) {
  const said = [
    ["format", schema.format],
    ["pattern", schema.pattern],
    ["at least", schema.minimum],
    ["more than", schema.exclusiveMinimum],
    ["at most", schema.maximum],
    ["less than", schema.exclusiveMaximum],
    ["shortest", schema.minLength],
    ["longest", schema.maxLength],
    ["fewest", schema.minItems],
    ["most", schema.maxItems],
    ["default", schema.default === undefined ? undefined : JSON.stringify(schema.default)],
  ].filter(([, value]) => value !== undefined && Math.abs(value) !== Number.MAX_SAFE_INTEGER);
  return said.length === 0
    ? null
    : el(
        "span",
        { class: "limits" },
        said.map(([word, value]) => el("span", {}, word + " ", el("code", {}, String(value)))),
      );
}

/** The schemas inside a schema that are worth opening. */
function partsOf(schema) {
  const target = resolved(schema);
  const parts = [];
  const optional = (name) => !(target.required ?? []).includes(name);
  for (const [name, part] of Object.entries(target.properties ?? {}))
    parts.push({ name, part, optional: optional(name) });
  if (typeof target.additionalProperties === "object")
    parts.push({ name: "any key", part: target.additionalProperties });
  for (const [index, part] of (target.prefixItems ?? []).entries()) parts.push({ name: "item " + index, part });
  if (typeof target.items === "object") parts.push({ name: "each item", part: target.items });
  for (const part of [target.allOf, target.anyOf, target.oneOf].flatMap((list) => list ?? [])) {
    if (partsOf(part).length > 0) parts.push({ name: nameOf(part) ?? "one of", part });
  }
  return parts;
}

/** A schema as a list of its parts. What is inside a part is made when it is opened, so schemas may hold themselves. */
function schemaList(schema) {
  const parts = partsOf(schema);
  if (parts.length === 0) return el("p", { class: "type" }, typeOf(resolved(schema)), " ", limitsOf(resolved(schema)));
  return el(
    "ul",
    { class: "schema" },
    parts.map(({ name, part, optional }) => {
      const target = resolved(part);
      const description = (typeof part === "object" && part.description) || target.description;
      const line = [
        el("code", { class: "name" }, name),
        " ",
        el("span", { class: "type" }, typeOf(part)),
        optional ? el("span", { class: "optional" }, "optional") : null,
        limitsOf(target),
      ];
      const said = description ? el("div", { class: "said" }, inline(description)) : null;
      if (typeof target !== "object" || partsOf(part).length === 0) return el("li", {}, line, said);
      return el(
        "li",
        {},
        unfolding(line, () => schemaList(part)),
        said,
      );
    }),
  );
}
`;
