/**
 * Marks by which Cauce knows its own things, whichever copy of the package made them: an app may have installed a copy
 * beside the one that runs it, and each copy has classes of its own (decision 0035).
 */

/** Borne by what `defineWorkflow` returned, and by copies of it. */
export const workflowMark = Symbol.for("cauce.workflow");
/** Borne by what `implement` returned, and by copies of it. */
export const appMark = Symbol.for("cauce.app");

/** Whether a value is an object that bears a mark, its own or inherited. */
export function isMarked(value: unknown, mark: symbol): boolean {
  return typeof value === "object" && value !== null && mark in value;
}

/**
 * Marks the errors of a class, and lets `instanceof` of the class go by the mark. So `instanceof` knows the errors of
 * every copy of the package. A subclass without a mark of its own keeps JavaScript's rule.
 */
export function markErrors(errorClass: { readonly prototype: Error }, name: string): void {
  const mark = Symbol.for(`cauce.${name}`);
  Object.defineProperty(errorClass.prototype, mark, { value: true });
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return this === errorClass ? isMarked(value, mark) : Function.prototype[Symbol.hasInstance].call(this, value);
    },
  });
}
