/**
 * Limits that AWS sets, each with the page of AWS's documentation that states it (as of November 2026), and the default
 * that Cauce sets within them. This file imports nothing, so `cauce synth` can read the numbers where no AWS SDK is
 * installed.
 */

/** How long a received message may stay hidden, in seconds: 12 hours from the receive. SQS, "Message quotas". */
export const visibilitySecondsMax = 43_200;
/** How long a message may be delayed when it is sent, in seconds: 15 minutes. SQS, "Message quotas". */
export const delaySecondsMax = 900;
/** How long a queue keeps a message, in seconds: 14 days. SQS, "Message quotas". */
export const retentionSecondsMax = 1_209_600;
/** How many messages one batch call of SQS or SNS takes, and one receive gives. SQS, "Message quotas"; SNS, "Quotas". */
export const batchMax = 10;
/** After how many receives a queue moves a message to its dead letters. SQS, `SetQueueAttributes`, `maxReceiveCount`. */
export const receivesMax = 1_000;
/** How many characters the name of a queue has, `.fifo` included. SQS, "Queue quotas". */
export const queueNameLengthMax = 80;
/** How many subscriptions of one topic have a filter policy. SNS, "Quotas". */
export const topicFiltersMax = 200;

/** How many bytes of data an order may have: an item holds 400 KB, its names and its history included. DynamoDB, "Quotas". */
export const dataBytesMax = 390_000;
/** How many items one call reads. DynamoDB, `BatchGetItem`. */
export const itemReadsMax = 100;
/** How many values one `IN` of an expression takes. DynamoDB, "Comparison operator and function reference". */
export const inValuesMax = 100;

/** An event source mapping of a queue runs 2 to 1,000 invocations at once. Lambda, `ScalingConfig`, `MaximumConcurrency`. */
export const concurrencyMin = 2;
export const concurrencyMax = 1_000;
/** The `concurrency` of a status that sets none. Cauce's own choice, not AWS's. */
export const concurrencyDefault = 100;
/** How many functions an account runs at once in a Region, unless AWS changed it for the account. Lambda, "Quotas". */
export const accountConcurrencyDefault = 1_000;
/** How long a function runs, in seconds. Lambda, "Quotas". */
export const functionSecondsMax = 900;
/** How many characters the name of a function has. Lambda, `CreateFunction`. */
export const functionNameLengthMax = 64;
/** How many bytes the payload of an invocation has: 6 MiB. Lambda, "Quotas". */
export const payloadBytesMax = 6_291_456;
/** How many bytes a request's body may have: base64 makes the body a third longer in its payload of 6 MiB. */
export const requestBytesMax = 4_194_304;
/** How long an HTTP API waits for its function, in seconds. API Gateway, "Quotas for HTTP APIs". */
export const httpApiSecondsMax = 30;
/** How many values of a metric one line of a log holds. CloudWatch, "Embedded metric format specification". */
export const metricValuesMax = 100;
