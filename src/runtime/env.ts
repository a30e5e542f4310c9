/** The environment's CAUCE_* variables. Nothing else in Cauce reads `process.env`. */
export function cauceVariables(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith("CAUCE_") && value !== undefined) found[name] = value;
  }
  return found;
}
