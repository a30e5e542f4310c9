import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CauceError } from "../../core/errors.ts";
import type { Value } from "./intrinsics.ts";

/** A stack's template as it was synthesized, and where the code of its functions lies. */
export interface Template {
  /** `orders-dev` */
  readonly name: string;
  readonly resources: Readonly<Record<string, TemplateResource>>;
  readonly parameters: Readonly<Record<string, { readonly Default?: Value }>>;
  /** The folder of an asset, by the key under which it is uploaded (`8f3a….zip`). */
  assetDirectory(key: string): string | undefined;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, Value>>;
}

/** The assets of a stack, as `cdk synth` writes them. */
interface Asset {
  readonly source?: { readonly path?: string };
  readonly destinations?: Readonly<Record<string, { readonly objectKey?: string }>>;
}

const templateEnd = ".template.json";

/**
 * The templates of a cloud assembly: of the stacks that are named, in that order, or of all. Throws `template_invalid`
 * where there is none, or one that is no JSON.
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
      throw new CauceError("template_invalid", `${join(directory, file)} cannot be read: ${String(cause)}`, { cause });
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
