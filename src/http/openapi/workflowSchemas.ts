import type { z } from "zod";
import { type ShownExtraFields, showExtras, shownExtraFields } from "../../core/extras.ts";
import { sampleData } from "../../core/sample.ts";
import type { AnyWorkflow, StatusDefinition } from "../../core/workflow.ts";
import { transitionBody } from "../contract.ts";
import { count, list, object, orNull, statusName, text, time } from "./answers.ts";
import { type Components, inlineSchema, type JsonSchema, refTo } from "./components.ts";

/** What a workflow's routes take and give. */
export interface WorkflowSchemas {
  readonly name: string;
  readonly statuses: readonly string[];
  readonly data: JsonSchema;
  readonly order: JsonSchema;
  readonly orderPage: JsonSchema;
  readonly transition: JsonSchema;
  readonly batchLine: JsonSchema;
  /** Undefined where none can be made up from the schema. */
  readonly examples: { readonly data: unknown; readonly order: unknown; readonly transition: unknown };
}

/**
 * Puts a workflow's schemas among the components; their names begin with the workflow's and a dot, so none collide.
 * `fields`: what an order shows of its extras.
 */
export function putWorkflowSchemas(
  components: Components,
  workflow: AnyWorkflow,
  fields: ShownExtraFields = shownExtraFields,
): WorkflowSchemas {
  const { name } = workflow;
  const statuses = Object.keys(workflow.statuses);
  const data = components.putZod(`${name}.Data`, workflow.data, "input");
  const order = components.put(
    `${name}.Order`,
    object({
      id: { ...text, description: "Later orders have greater ids." },
      workflow: { ...text, const: name },
      status: { ...statusName, examples: statuses },
      visit: { ...count, description: "How many transitions the order has made." },
      version: { ...count, description: "Counts every committed change of the order." },
      attempts: { ...count, description: "Attempts used in this visit." },
      data: storedData(components, workflow),
      results: resultsOf(components, workflow),
      group: { ...orNull(text), description: "Orders of one group keep their order in FIFO delivery." },
      createdAt: time,
      updatedAt: time,
      notBefore: { ...orNull(time), description: "No handler runs before this time." },
      expiresAt: { ...orNull(time), description: "When a waiting order moves on by itself." },
      failure: orNull(refTo("Failure")),
      history: { ...list(refTo("HistoryEntry")), description: "The first 10 and the last 40 visits, oldest first." },
      historyOmitted: { ...count, description: "How many visits between those are left out." },
      ...Object.fromEntries(Object.entries(fields).map(([field, { schema }]) => [field, schema])),
    }),
  );
  const orderPage = components.put(
    `${name}.OrderPage`,
    object({ items: list(order), nextCursor: refTo("NextCursor") }),
  );
  const batchLine = components.put(`${name}.BatchLine`, {
    ...object(
      { idempotencyKey: { ...text, pattern: "^[\\x21-\\x7e]{1,255}$" }, data },
      { optional: ["idempotencyKey"] },
    ),
    additionalProperties: false,
  });
  const sample = sampleData(workflow.data);
  return {
    name,
    statuses,
    data,
    order,
    orderPage,
    transition: putTransition(components, workflow),
    batchLine,
    examples: {
      data: sample,
      order: sample === undefined ? undefined : exampleOrder(workflow, sample, fields),
      transition: { to: movableTo(workflow)[0], reason: "checked by hand" },
    },
  };
}

/** What an order shows of its data: defaults filled in, and otherwise what was sent. */
function storedData(components: Components, { name, data }: AnyWorkflow): JsonSchema {
  const stored = components.putZod(`${name}.StoredData`, data, "output");
  const [sent, shown] = [`${name}.Data`, `${name}.StoredData`].map((own) => partsOf(components, own));
  if (sent?.text !== shown?.text) return stored;
  for (const part of shown?.names ?? []) components.drop(part);
  return refTo(`${name}.Data`);
}

/** A schema and those under its name, and their text with the name taken out, for comparing. */
function partsOf({ schemas }: Components, own: string): { names: string[]; text: string } {
  const names = Object.keys(schemas).filter((name) => name === own || name.startsWith(`${own}.`));
  const text = JSON.stringify(names.map((name) => [name, schemas[name]])).replaceAll(own, "");
  return { names, text };
}

function resultsOf(components: Components, { name, results }: AnyWorkflow): JsonSchema {
  if (results === undefined) return { type: "object" };
  const schema = components.putZod(`${name}.Results`, results as z.ZodType, "output");
  // An order starts with none, whatever the schema asks of those that are merged later.
  return { anyOf: [schema, { type: "object", maxProperties: 0 }] };
}

function putTransition(components: Components, workflow: AnyWorkflow): JsonSchema {
  const { name } = workflow;
  const body = inlineSchema(transitionBody());
  const properties = body.properties as Readonly<Record<string, JsonSchema>>;
  return components.put(`${name}.TransitionRequest`, {
    ...body,
    properties: {
      ...properties,
      to: { ...properties.to, enum: movableTo(workflow) },
      reason: { ...properties.reason, description: "Kept in the history." },
      results: {
        ...properties.results,
        ...(workflow.results === undefined
          ? {}
          : { description: `Merged key by key; the whole must fit \`${name}.Results\`.` }),
      },
      expectedVersion: { ...properties.expectedVersion, description: "The order moves only if it has this version." },
    },
  });
}

/** Nothing may enter a status that is retired. */
function movableTo(workflow: AnyWorkflow): string[] {
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
    // It cannot group what was made up: the example does without.
    return null;
  }
}
