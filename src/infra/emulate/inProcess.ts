import type { SQSClientConfig } from "@aws-sdk/client-sqs";
import type { AwsProxy } from "./proxy.ts";

type RequestHandler = Exclude<SQSClientConfig["requestHandler"], undefined>;

/** Lets a client of the SDK ask the emulators within this process: no connection, which would double what a call costs. */
export function inProcess({ ask }: Pick<AwsProxy, "ask">): RequestHandler {
  return {
    async handle(
      request: {
        readonly path: string;
        readonly headers: Readonly<Record<string, string>>;
        readonly body?: string | Uint8Array;
      },
      { abortSignal }: { readonly abortSignal?: AbortSignal } = {},
    ) {
      const { path, headers, body = "" } = request;
      const bytes = body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : body;
      const asked = ask({ url: path, headers, body: Buffer.from(bytes as Buffer) });
      const answer = await (abortSignal === undefined ? asked : Promise.race([asked, aborted(abortSignal)]));
      // As the loss of an answer reads on a connection; the SDK tries again.
      if (answer === undefined) throw Object.assign(new Error("the answer is lost"), { code: "ECONNRESET" });
      return { response: { statusCode: answer.status, headers: answer.headers, body: answer.body } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  } as unknown as RequestHandler;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(Object.assign(new Error("aborted"), { name: "AbortError" }));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
