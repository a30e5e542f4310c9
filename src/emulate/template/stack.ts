/** What a synthesized stack holds, with every reference resolved: what is checked, provisioned and run. */
export interface Stack {
  readonly name: string;
  readonly tables: readonly TableResource[];
  readonly topics: readonly TopicResource[];
  readonly queues: readonly QueueResource[];
  readonly subscriptions: readonly SubscriptionResource[];
  readonly functions: readonly FunctionResource[];
  readonly sources: readonly SourceResource[];
  readonly schedules: readonly ScheduleResource[];
  readonly apis: readonly ApiResource[];
}

export interface Resource {
  /** Its id in the template, for messages. */
  readonly id: string;
}

export interface TableResource extends Resource {
  readonly name: string;
  /** What DynamoDB's CreateTable takes. */
  readonly create: Readonly<Record<string, unknown>>;
}

export interface TopicResource extends Resource {
  readonly name: string;
  readonly arn: string;
  readonly fifo: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface QueueResource extends Resource {
  readonly name: string;
  readonly arn: string;
  readonly url: string;
  readonly fifo: boolean;
  readonly visibilitySeconds: number;
  readonly redrive: { readonly deadLettersArn: string; readonly receivesMost: number } | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  /** The statements of all its policies. */
  readonly statements: readonly Statement[];
}

export interface SubscriptionResource extends Resource {
  readonly topicArn: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly raw: boolean;
  readonly filter: unknown;
}

export interface FunctionResource extends Resource {
  readonly name: string;
  readonly arn: string;
  /** The folder that holds its code; undefined where the assembly has none. */
  readonly directory: string | undefined;
  /** `index.handler` */
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly environment: Readonly<Record<string, string>>;
  /** What its role may do. */
  readonly statements: readonly Statement[];
}

export interface SourceResource extends Resource {
  readonly queueArn: string;
  readonly function: string;
  readonly batchSize: number;
  readonly windowSeconds: number;
  /** How many invocations of it run at once, at most. */
  readonly concurrencyMost: number;
  /** Whether the function answers which records of a batch failed. */
  readonly partial: boolean;
}

export interface ScheduleResource extends Resource {
  readonly everySeconds: number;
  readonly function: string;
}

export interface ApiResource extends Resource {
  readonly name: string;
  /** `$default` or `GET /path`, and the ARN or name of the function behind it. */
  readonly routes: readonly { readonly key: string; readonly function: string }[];
}

/** A statement of a policy, as IAM writes it. */
export interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}
