/** Dollars, us-east-1, on demand, 2026-11-24. */
export const prices = {
  httpApiPerMillion: 1.0,
  lambdaRequestsPerMillion: 0.2,
  /** On arm64. */
  lambdaGigabyteSecond: 0.0000133334,
  writeUnitsPerMillion: 0.625,
  readUnitsPerMillion: 0.125,
  snsPerMillion: 0.5,
  sqsPerMillion: 0.4,
} as const;

/** Assumed and not measured: the functions' memory, and how long they take. */
export const assumed = {
  memoryGigabytes: 0.25,
  requestSeconds: 0.03,
  transitionBatchSeconds: 0.05,
} as const;

/**
 * Monthly prices of a stack, in dollars of 2026-11-24 (us-east-1), and what a minute is assumed to take in which
 * nothing comes.
 */
export const monthly = {
  alarmDollars: 0.1,
  alarmsOfStack: 9,
  alarmsOfStatus: 3,
  /** An account's first three cost nothing. */
  dashboardDollars: 3,
  sweepEverySeconds: 60,
  sweepSeconds: 0.2,
  /** For each queue that invokes a function: how many receives wait side by side, and how long each. */
  pollers: 5,
  pollSeconds: 20,
} as const;

/** How much one order takes of everything that has a price. */
export interface Usage {
  readonly httpRequests: number;
  readonly requestInvocations: number;
  readonly processingInvocations: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly snsRequests: number;
  readonly sqsRequests: number;
}

/** Dollars for a million orders, by service. */
export function dollarsPerMillion(usage: Usage): Readonly<Record<string, number>> {
  const { requestInvocations, processingInvocations } = usage;
  const gigabyteSeconds =
    assumed.memoryGigabytes *
    (requestInvocations * assumed.requestSeconds + processingInvocations * assumed.transitionBatchSeconds);
  return {
    "HTTP API": usage.httpRequests * prices.httpApiPerMillion,
    "Lambda requests": (requestInvocations + processingInvocations) * prices.lambdaRequestsPerMillion,
    "Lambda time": gigabyteSeconds * 1_000_000 * prices.lambdaGigabyteSecond,
    "DynamoDB writes": usage.writeUnits * prices.writeUnitsPerMillion,
    "DynamoDB reads": usage.readUnits * prices.readUnitsPerMillion,
    SNS: usage.snsRequests * prices.snsPerMillion,
    SQS: usage.sqsRequests * prices.sqsPerMillion,
  };
}

/**
 * Read units of one pass over open orders. A query pays for each 4 KB that it looks at, and half, as it is eventually
 * consistent.
 */
export function sweepUnits(pass: {
  readonly orders: number;
  readonly shards: number;
  readonly entryBytes: number;
  readonly looks: number;
  /** Queries that find nothing. */
  readonly otherQueries: number;
}): number {
  const { orders, shards, entryBytes, looks } = pass;
  const unitsOf = (entries: number) => Math.max(1, Math.ceil((entries * entryBytes) / 4_096)) / 2;
  const inShard = orders / shards;
  const full = Math.floor(inShard / looks);
  return shards * (full * unitsOf(looks) + unitsOf(inShard - full * looks)) + pass.otherQueries * unitsOf(0);
}

export function sweepDollars(readUnits: number): number {
  return (readUnits * prices.readUnitsPerMillion) / 1_000_000;
}
