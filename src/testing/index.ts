export type { Orders } from "../api/orders.ts";
export type { KeyedOptions, OrderOf, Transition } from "../api/types.ts";
export { type MemoryOptions, memory } from "../backend/memory/memory.ts";
export {
  type BackendUnderTest,
  backendContract,
  type ContractCase,
  describeBackend,
  type OpenedBackend,
  type Survives,
} from "./backendContract.ts";
export { type FakeClock, fakeClock } from "./fakeClock.ts";
export { type ExpectedChange, type Given, type GivenContext, type GivenOrder, given, type When } from "./given.ts";
export type { Attempt } from "./testWorkflow.ts";
export {
  type TestWorkflowOptions,
  testWorkflow,
  type WorkflowTest,
} from "./testWorkflow.ts";
