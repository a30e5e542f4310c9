import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Assembly, type SynthesizeOptions, synthesize } from "../../src/deploy/cdk/synth.ts";
import type { App } from "../../src/index.ts";
import shop from "./fixtures/shop.app.ts";
import wider from "./fixtures/wider.app.ts";

export const apps = {
  shop: { app: shop as unknown as App, module: join(import.meta.dirname, "fixtures/shop.app.ts") },
  wider: { app: wider as unknown as App, module: join(import.meta.dirname, "fixtures/wider.app.ts") },
};

export interface Resource {
  readonly id: string;
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

export interface Synthesized extends Assembly {
  readonly resources: readonly Resource[];
  ofType(type: string): readonly Resource[];
  /** Gives the name of the resource that a `Ref` or `Fn::GetAtt` leads to. */
  nameOf(reference: unknown): string;
  remove(): void;
}

/** Every topology, as options and as a title. */
export const topologies = (["standard", "fifo"] as const).flatMap((delivery) =>
  (["shared", "per-status", "kubernetes"] as const).map((how) => ({
    title: `${delivery}, ${how}`,
    options:
      how === "kubernetes"
        ? ({ delivery, compute: how } as const)
        : ({ delivery, processors: how, access: "public" } as const),
  })),
);

/** Synthesizes into a folder of its own. Default: the shop, unchecked, public, and without its code. */
export async function synthesized(options: Partial<SynthesizeOptions> = {}): Promise<Synthesized> {
  const outDirectory = mkdtempSync(join(tmpdir(), "cauce-synth-"));
  // A template does not depend on the code, and bundling takes seconds.
  const codeOf = () => join(import.meta.dirname, "fixtures/code");
  const defaults = { ...apps.shop, access: "public" as const, checks: false, codeOf };
  const assembly = await synthesize({ ...defaults, outDirectory, ...options });
  const template = assembly.stacks[0]?.template as { Resources: Record<string, Omit<Resource, "id">> };
  const resources = Object.entries(template.Resources).map(([id, resource]) => ({ id, ...resource }));
  return {
    ...assembly,
    resources,
    ofType: (type) => resources.filter(({ Type }) => Type === type),
    nameOf(reference) {
      const { Ref, "Fn::GetAtt": attribute } = reference as { Ref?: string; "Fn::GetAtt"?: [string, string] };
      const { Properties = {} } = resources.find(({ id }) => id === (Ref ?? attribute?.[0])) ?? {};
      return String(Properties.QueueName ?? Properties.TopicName ?? Properties.TableName ?? Properties.FunctionName);
    },
    remove: () => rmSync(outDirectory, { recursive: true }),
  };
}
