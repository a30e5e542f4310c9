"""Teaches schemathesis to send lines: half of the bodies are lines of JSON, the others what it made up."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        value = json.dumps(value)
    if len(value) % 2 == 0:
        value = "\n".join(json.dumps({"data": part}) for part in value.split("0"))
    return value.encode("utf-8", errors="surrogatepass")
