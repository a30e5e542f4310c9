import assert from "node:assert/strict";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import type { AwsCall, Hook } from "../../src/emulate/services/call.ts";
import { readAssembly } from "../../src/emulate/template/assembly.ts";
import { account, arnOf } from "../../src/emulate/template/references.ts";
import type { FunctionResource, Statement } from "../../src/emulate/template/stack.ts";
import { readStack } from "../../src/emulate/template/stack.ts";

/** Judges each call of a function by its role in an assembly's template, as IAM does. */
export interface Iam {
  /** Denies a call that the calling function's role does not allow. */
  readonly hook: Hook;
  /** The denied calls, each once: `orders-processing-dev: dynamodb:UpdateItem on arn:…`. */
  denied(): readonly string[];
  /** Each function's granted actions that no call needed: `orders-request-dev: dynamodb:Query`. */
  unused(): readonly string[];
}

const arns = { dynamodb: arnOf("dynamodb", "table/"), sns: arnOf("sns"), sqs: arnOf("sqs") };

export function createIam(assembly: string): Iam {
  // Policies name no address. Only a running emulator knows its addresses.
  const endpoints = { queueUrl: (name: string) => `http://sqs.example/${account}/${name}`, apiUrl: (id: string) => id };
  const functions = readAssembly(assembly).flatMap((template) => readStack(template, endpoints).functions);
  const verdicts = new Map<string, Promise<boolean>>();
  const denied = new Set<string>();
  const used = new Set<string>();

  const judge = async (found: FunctionResource, action: string, resource: string): Promise<boolean> => {
    const isAllowed = await allows(found.statements, found.name, action, resource);
    (isAllowed ? used : denied).add(line(found.name, action, resource));
    return isAllowed;
  };
  return {
    async hook({ function: caller, service, action, resources }: AwsCall) {
      const found = functions.find(({ name }) => name === caller);
      if (found === undefined) return "deny";
      for (const resource of resources.map(arns[service])) {
        const key = line(found.name, action, resource);
        const verdict = verdicts.get(key) ?? judge(found, action, resource);
        verdicts.set(key, verdict);
        if (!(await verdict)) return "deny";
      }
      return "pass";
    },
    denied: () => [...denied].toSorted(),
    unused: () =>
      functions.map(({ name, statements }) => {
        const actions = statements.flatMap(({ Action = [], Resource = [] }) =>
          [Action].flat().filter((action) => [Resource].flat().some((each) => !used.has(line(name, action, each)))),
        );
        // Lambda itself writes the logs, without a call of the SDK.
        return `${name}: ${actions.filter((action) => !action.startsWith("logs:")).join(", ")}`;
      }),
  };
}

function line(name: string, action: string, resource: string): string {
  return `${name}: ${action} on ${resource}`;
}

async function allows(
  statements: readonly Statement[],
  name: string,
  action: string,
  resource: string,
): Promise<boolean> {
  const answer = await runSimulation(
    {
      request: {
        principal: `arn:aws:sts::${account}:assumed-role/${name}/${name}`,
        action,
        resource: { resource, accountId: account },
        contextVariables: {},
      },
      identityPolicies: [{ name: "role", policy: { Version: "2012-10-17", Statement: statements } }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  // A policy or action that IAM does not know is a fault of the template, and no denial.
  assert.ok(answer.resultType !== "error", `${name}, ${action} on ${resource}: ${JSON.stringify(answer)}`);
  return answer.overallResult === "Allowed";
}
