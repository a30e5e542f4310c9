import { CauceError } from "../../core/errors.ts";

const packages = ["dynalite", "fauxqs", "@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"];

export interface Peers {
  readonly dynalite: typeof import("dynalite").default;
  readonly startFauxqs: typeof import("fauxqs").startFauxqs;
  readonly dynamo: typeof import("@aws-sdk/client-dynamodb");
  readonly sns: typeof import("@aws-sdk/client-sns");
  readonly sqs: typeof import("@aws-sdk/client-sqs");
}

/** What only whoever emulates needs. Throws `setting_invalid` with what to install where one is missing. */
export async function loadPeers(): Promise<Peers> {
  try {
    const [{ default: dynalite }, { startFauxqs }, dynamo, sns, sqs] = await Promise.all([
      import("dynalite"),
      import("fauxqs"),
      import("@aws-sdk/client-dynamodb"),
      import("@aws-sdk/client-sns"),
      import("@aws-sdk/client-sqs"),
    ]);
    return { dynalite, startFauxqs, dynamo, sns, sqs };
  } catch (cause) {
    const { code, message = "" } = cause as NodeJS.ErrnoException;
    const missing =
      code === "ERR_MODULE_NOT_FOUND" ? packages.find((name) => message.includes(`'${name}'`)) : undefined;
    if (missing === undefined) throw cause;
    throw new CauceError(
      "setting_invalid",
      `cauce emulate needs ${missing}, which is not installed; run npm install --save-dev ${packages.join(" ")}`,
      { cause },
    );
  }
}
