/**
 * Gives the default export of a module that was imported. A CommonJS build of a module has its exports in the default
 * export, with the mark `__esModule`, and its own default export among them.
 */
export function defaultExportOf(module: { readonly default?: unknown } | undefined): unknown {
  const exported = module?.default;
  if (typeof exported !== "object" || exported === null || !("__esModule" in exported)) return exported;
  return "default" in exported ? exported.default : undefined;
}
