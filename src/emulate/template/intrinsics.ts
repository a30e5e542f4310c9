import { CauceError } from "../../core/errors.ts";

/** A value of a template: JSON in which an object with one key may be an intrinsic function (`Fn::Join`). */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

/** Resolves `Ref` and `Fn::GetAtt`. Both throw `template_invalid` for an id or attribute that they do not know. */
export interface References {
  ref(logicalId: string, where: string): Value;
  attribute(logicalId: string, name: string, where: string): Value;
}

/** Resolves the intrinsic functions of a value. Throws `template_invalid`, with `where`, for an unknown function. */
export function resolveValue(value: Value, references: References, where: string): Value {
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map((each) => resolveValue(each, references, where));
  const [name = "", ...others] = Object.keys(value);
  if (others.length === 0 && (name === "Ref" || name.startsWith("Fn::"))) {
    return apply(name, value[name] as Value, references, where);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, resolveValue(each, references, `${where}.${key}`)]),
  );
}

function apply(name: string, given: Value, references: References, where: string): Value {
  const argument = (index: number): Value => {
    const found = isList(given) ? given[index] : undefined;
    if (found === undefined) throw invalid(where, `${name} lacks an argument`);
    return resolveValue(found, references, where);
  };
  const asText = (value: Value): string => {
    if (typeof value === "object") throw invalid(where, `${name} takes text, and gets ${JSON.stringify(value)}`);
    return String(value);
  };
  const asList = (value: Value): readonly Value[] => {
    if (!isList(value)) throw invalid(where, `${name} takes a list, and gets ${JSON.stringify(value)}`);
    return value;
  };
  switch (name) {
    case "Ref":
      return references.ref(asText(given), where);
    case "Fn::GetAtt": {
      const [id = "", ...path] = isList(given) ? given.map(asText) : asText(given).split(".");
      return references.attribute(id, path.join("."), where);
    }
    case "Fn::Join":
      return asList(argument(1))
        .map(asText)
        .join(asText(argument(0)));
    case "Fn::Split":
      return asText(argument(1)).split(asText(argument(0)));
    case "Fn::Select": {
      const found = asList(argument(1))[Number(argument(0))];
      if (found === undefined) throw invalid(where, `${name} asks for item ${argument(0)}, which is not there`);
      return found;
    }
    case "Fn::Sub":
      return substitute(given, references, where);
    default:
      throw invalid(where, `${name} is a function that cauce emulate does not know`);
  }
}

function substitute(given: Value, references: References, where: string): string {
  const [template, own = {}] = (isList(given) ? given : [given]) as readonly [Value, Readonly<Record<string, Value>>?];
  return String(template).replace(/\$\{(!?)([^}]+)\}/g, (whole, literal: string, name: string) => {
    if (literal === "!") return whole.replace("!", "");
    const mine = own[name];
    if (mine !== undefined) return String(resolveValue(mine, references, where));
    const [id = "", ...path] = name.split(".");
    return String(path.length === 0 ? references.ref(id, where) : references.attribute(id, path.join("."), where));
  });
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function invalid(where: string, what: string): CauceError {
  return new CauceError("template_invalid", `${where}: ${what}`);
}
