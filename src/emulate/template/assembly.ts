import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CauceError } from "../../core/errors.ts";
import { textOf } from "../../core/reasons.ts";
import type { Value } from "./intrinsics.ts";

/** The template of a synthesized stack, and the folders of its functions' code. */
export interface Template {
  /** `orders-dev` */
  readonly name: string;
  readonly resources: Readonly<Record<string, TemplateResource>>;
  readonly parameters: Readonly<Record<string, { readonly Default?: Value }>>;
  /** Finds the folder of an asset by the key of its upload (`8f3a….zip`). */
  assetDirectory(key: string): string | undefined;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, Value>>;
}

/** An asset of a stack, as `cdk synth` writes it. */
interface Asset {
  readonly source?: { readonly path?: string };
  readonly destinations?: Readonly<Record<string, { readonly objectKey?: string }>>;
}

const templateEnd = ".template.json";

/**
 * Reads the templates of a cloud assembly, in the order of `stacks`. Default: the templates of every stack. Throws
 * `template_invalid` if the assembly holds no template, or one that is not JSON.
 */
export function readAssembly(directory: string, stacks?: readonly string[]): Template[] {
  const found = readdirSync(directory)
    .filter((file) => file.endsWith(templateEnd))
    .map((file) => file.slice(0, -templateEnd.length));
  if (found.length === 0) {
    throw new CauceError("template_invalid", `${directory} holds no *${templateEnd}; synthesize into it first`);
  }
  return (stacks ?? found).map((name) => readTemplate(directory, name));
}

function readTemplate(directory: string, name: string): Template {
  const read = (file: string): unknown => {
    try {
      return JSON.parse(readFileSync(join(directory, file), "utf8"));
    } catch (cause) {
      throw new CauceError("template_invalid", `${join(directory, file)} cannot be read: ${textOf(cause)}`, { cause });
    }
  };
  const { Resources = {}, Parameters = {} } = read(`${name}${templateEnd}`) as {
    readonly Resources?: Template["resources"];
    readonly Parameters?: Template["parameters"];
  };
  const { files = {} } = read(`${name}.assets.json`) as { readonly files?: Readonly<Record<string, Asset>> };
  return {
    name,
    resources: Resources,
    parameters: Parameters,
    assetDirectory(key) {
      const isUploadedAs = ({ destinations = {} }: Asset) =>
        Object.values(destinations).some(({ objectKey }) => objectKey === key);
      const path = Object.values(files).find(isUploadedAs)?.source?.path;
      return path === undefined ? undefined : join(directory, path);
    },
  };
}
