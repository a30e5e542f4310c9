import { maxHeaderSize } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { errorProblem, type HttpErrorCode, problem, problemBody } from "../http/problem.ts";

/**
 * Answers what Node could not read as a request (`clientError` of its server), and closes the connection. Node's own
 * answer has no body, and clients branch on the code of a problem.
 */
export function answerUnreadable(error: { readonly code?: string | undefined }, stream: Duplex): void {
  const socket = stream as Socket & { _httpMessage?: { headersSent: boolean } | null };
  // What comes after the beginning of an answer belongs to no request that could be answered.
  if (!socket.writable || error.code === "ECONNRESET" || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  endWithProblem(socket, ...faultOf(error.code));
}

/** The last answer of a connection, past Node's own: for where it has no response to write to, or will not have one. */
export function endWithProblem(socket: Socket, code: HttpErrorCode, detail: string): void {
  const problem = problemBody(code, detail);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  // Whatever else the client sends must not keep the connection.
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

/** The answer to a request whose Host and path make no address, such as `Host: a b`. The adapter's own has no body. */
export function addressProblem(error: unknown): Response {
  if (!(error instanceof RequestError)) return errorProblem(error).response;
  return problem("invalid_request", "the header Host and the path make no address; send both as in a URL", {
    headers: { Connection: "close" },
  });
}

function faultOf(code: string | undefined): [HttpErrorCode, string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [
        "headers_too_large",
        `the path and headers are larger than the ${maxHeaderSize} bytes that this server takes`,
      ];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["request_timed_out", "the headers did not come within the time that this server allows; send it again"];
    case "CONNECT":
      return ["invalid_request", "this server is no proxy; it takes no CONNECT"];
    default:
      return ["invalid_request", "this is no HTTP request that the server can read"];
  }
}
