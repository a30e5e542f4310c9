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

/** What is assumed and not measured: how the functions are set, and how long they take. */
export const assumed = {
  memoryGigabytes: 0.25,
  intakeSeconds: 0.03,
  hopBatchSeconds: 0.05,
} as const;

/** A stack's month, in dollars of 2026-11-24 (us-east-1), and what is assumed of a minute in which nothing comes. */
export const monthly = {
  alarmDollars: 0.1,
  alarmsOfStack: 9,
  alarmsOfStatus: 3,
  /** An account's first three cost nothing. */
  dashboardDollars: 3,
  sweepEverySeconds: 60,
  sweepSeconds: 0.2,
  /** Of each queue that invokes a function: so many receives wait side by side, so long each. */
  pollers: 5,
  pollSeconds: 20,
} as const;

/** What one order takes of everything that has a price. */
export interface Usage {
  readonly httpRequests: number;
  readonly intakeInvocations: number;
  readonly processingInvocations: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly snsRequests: number;
  readonly sqsRequests: number;
}

/** Dollars for a million orders, by service. */
export function dollarsPerMillion(usage: Usage): Readonly<Record<string, number>> {
  const { intakeInvocations, processingInvocations } = usage;
  const gigabyteSeconds =
    assumed.memoryGigabytes *
    (intakeInvocations * assumed.intakeSeconds + processingInvocations * assumed.hopBatchSeconds);
  return {
    "HTTP API": usage.httpRequests * prices.httpApiPerMillion,
    "Lambda requests": (intakeInvocations + processingInvocations) * prices.lambdaRequestsPerMillion,
    "Lambda time": gigabyteSeconds * 1_000_000 * prices.lambdaGigabyteSecond,
    "DynamoDB writes": usage.writeUnits * prices.writeUnitsPerMillion,
    "DynamoDB reads": usage.readUnits * prices.readUnitsPerMillion,
    SNS: usage.snsRequests * prices.snsPerMillion,
    SQS: usage.sqsRequests * prices.sqsPerMillion,
  };
}

/** Read units of one pass over open orders: each query pays for what it looks at, by 4 KB, and half for not being consistent. */
export function sweepUnits(pass: {
  readonly orders: number;
  readonly shards: number;
  readonly entryBytes: number;
  readonly looks: number;
  /** Those that find nothing. */
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
