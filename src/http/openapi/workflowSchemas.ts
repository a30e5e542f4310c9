import * as z from "zod";
import { idempotencyKeyPattern, isEnterableStatus } from "../../api/fields.ts";
import type { Operation } from "../../api/operation.ts";
import { orderPageShape, orderShape } from "../../api/shapes.ts";
import { type ShownExtraFields, showExtras, shownExtraFields } from "../../core/extras.ts";
import { sampleData } from "../../core/sample.ts";
import type { AnyWorkflow, StatusDefinition } from "../../core/workflow.ts";
import { type Components, type JsonSchema, refTo } from "./components.ts";

/** The schemas of a workflow's requests and responses. */
export interface WorkflowSchemas {
  readonly name: string;
  readonly data: JsonSchema;
  readonly order: JsonSchema;
  readonly orderPage: JsonSchema;
  readonly batchLine: JsonSchema;
  /** The statuses that an order may be moved to. */
  readonly enterable: readonly string[];
  /** The bodies that name statuses of the workflow, by operation. All other bodies are the same for every workflow. */
  readonly inputs: Readonly<Record<string, JsonSchema>>;
  /** Undefined: no example can be made from the schema. */
  readonly examples: { readonly data: unknown; readonly order: unknown };
}

/**
 * Adds a workflow's schemas to the components. Their names begin with the workflow's name and a dot, so no two collide.
 * `fields` are the extras that an order shows.
 */
export function putWorkflowSchemas(
  components: Components,
  workflow: AnyWorkflow,
  operations: readonly Operation[],
  fields: ShownExtraFields = shownExtraFields,
): WorkflowSchemas {
  const { name } = workflow;
  const data = components.putZod(`${name}.Data`, workflow.data, "input");
  const stored = components.shapeOf(storedData(components, workflow));
  const results = components.shapeOf(resultsOf(components, workflow));
  const shown = Object.entries(fields).map(([field, { schema }]) => [field, components.shapeOf(schema)]);
  const order = orderShape(name, Object.keys(workflow.statuses), stored, results).extend(Object.fromEntries(shown));
  const enterable = enterableOf(workflow);
  const sample = sampleData(workflow.data);
  return {
    name,
    data,
    order: components.putShape(`${name}.Order`, order),
    orderPage: components.putShape(`${name}.OrderPage`, orderPageShape(order)),
    batchLine: components.putShape(
      `${name}.BatchLine`,
      z.strictObject({
        idempotencyKey: z.string().regex(idempotencyKeyPattern).optional(),
        data: components.shapeOf(data),
      }),
    ),
    enterable,
    inputs: Object.fromEntries(
      operations.flatMap((each) => {
        const own = withStatuses(each, enterable);
        const title = `${each.name.charAt(0).toUpperCase()}${each.name.slice(1)}Request`;
        return own === undefined ? [] : [[each.name, components.putShape(`${name}.${title}`, own)]];
      }),
    ),
    examples: { data: sample, order: sample === undefined ? undefined : exampleOrder(workflow, sample, fields) },
  };
}

/** A POST's body that lists the workflow's statuses wherever it names one to enter. Undefined: the body names none. */
function withStatuses({ method, input }: Operation, enterable: readonly string[]): z.ZodObject | undefined {
  const fields = Object.entries((input?.().shape ?? {}) as Readonly<Record<string, z.ZodType>>);
  if (method !== "POST" || !fields.some(([, field]) => isEnterableStatus(field))) return undefined;
  const own = fields.map(([name, field]): [string, z.ZodType] => {
    if (!isEnterableStatus(field)) return [name, field];
    const known = z.enum(enterable).describe(field.description ?? "");
    return [name, field.safeParse(undefined).success ? known.optional() : known];
  });
  return z.strictObject(Object.fromEntries(own));
}

/** Adds the schema of the data that an order shows: the data as sent, with defaults filled in. */
function storedData(components: Components, { name, data }: AnyWorkflow): JsonSchema {
  const stored = components.putZod(`${name}.StoredData`, data, "output");
  const [sent, shown] = [`${name}.Data`, `${name}.StoredData`].map((own) => {
    const parts = components.partsOf(own);
    // Without the name, two equal schemas are the same text.
    return { names: Object.keys(parts), text: JSON.stringify(Object.entries(parts)).replaceAll(own, "") };
  });
  if (sent?.text !== shown?.text) return stored;
  for (const part of shown?.names ?? []) components.drop(part);
  return refTo(`${name}.Data`);
}

function resultsOf(components: Components, { name, results }: AnyWorkflow): JsonSchema {
  if (results === undefined) return { type: "object" };
  const schema = components.putZod(`${name}.Results`, results as z.ZodType, "output");
  // An order begins without results, even where the schema requires some of the merged ones.
  return { anyOf: [schema, { type: "object", maxProperties: 0 }] };
}

/** The statuses that an order may enter: all but the retired ones. */
function enterableOf(workflow: AnyWorkflow): string[] {
  return Object.entries(workflow.statuses as Readonly<Record<string, StatusDefinition>>)
    .filter(([, status]) => !status.retired)
    .map(([name]) => name);
}

function exampleOrder(workflow: AnyWorkflow, sample: unknown, fields: ShownExtraFields): unknown {
  const at = "2026-11-24T12:00:00.000Z";
  const by = { runtime: "node", name: "host-1", requestId: null, messageId: null };
  const data = workflow.data.parse(sample);
  return {
    id: "019dc6f4-5c00-7000-8a3e-2f6d1b9c4e70",
    workflow: workflow.name,
    status: workflow.initial,
    visit: 0,
    version: 1,
    attempts: 0,
    data,
    results: {},
    group: groupOf(workflow, data),
    createdAt: at,
    updatedAt: at,
    notBefore: null,
    expiresAt: null,
    failure: null,
    history: [{ status: workflow.initial, visit: 0, at, attempts: 0, reason: null, error: null, by }],
    historyOmitted: 0,
    ...showExtras(null, fields),
  };
}

function groupOf(workflow: AnyWorkflow, data: unknown): string | null {
  try {
    return workflow.group?.(data) ?? null;
  } catch {
    // The workflow cannot group the made-up data, so the example has no group.
    return null;
  }
}
