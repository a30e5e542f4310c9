/** The environment's CAUCE_* variables. This file alone reads `process.env`. */
export function cauceVariables(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith("CAUCE_") && value !== undefined) found[name] = value;
  }
  return found;
}

/** The name under which Lambda runs this process. */
export function functionName(): string {
  return process.env.AWS_LAMBDA_FUNCTION_NAME ?? "function";
}

/** The directory from which a command was given. `npm run cauce` runs it in the package's folder instead. */
export function givenFrom(): string {
  const { npm_lifecycle_event: script, INIT_CWD: directory } = process.env;
  return script === "cauce" && directory !== undefined ? directory : process.cwd();
}
