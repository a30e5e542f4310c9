import { withPeers } from "../peers.ts";

const packages = [
  ...["dynalite", "fauxqs", "@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"],
  // Of the synthesis before it: all that is missing is told at once.
  ...["aws-cdk-lib", "constructs", "esbuild"],
];

export interface Peers {
  readonly dynalite: typeof import("dynalite").default;
  readonly buildFauxqs: typeof import("fauxqs").buildApp;
  readonly dynamo: typeof import("@aws-sdk/client-dynamodb");
  readonly sns: typeof import("@aws-sdk/client-sns");
  readonly sqs: typeof import("@aws-sdk/client-sqs");
}

/** What only whoever emulates needs. Throws `package_missing`. */
export function loadPeers(): Promise<Peers> {
  return withPeers("cauce emulate", packages, async () => {
    const [{ default: dynalite }, { buildApp: buildFauxqs }, dynamo, sns, sqs] = await Promise.all([
      import("dynalite"),
      import("fauxqs"),
      import("@aws-sdk/client-dynamodb"),
      import("@aws-sdk/client-sns"),
      import("@aws-sdk/client-sqs"),
    ]);
    return { dynalite, buildFauxqs, dynamo, sns, sqs };
  });
}
