/** `cauce diagram`: draws a workflow. */
import { type AnyWorkflow, kindOf, statusesOf } from "../core/workflow.ts";

/** Draws a workflow as a Mermaid `stateDiagram-v2`, ending in a newline. */
export function diagram(workflow: AnyWorkflow): string {
  const statuses = statusesOf(workflow);
  const lines = [`[*] --> ${mermaidId(workflow.initial)}`];
  for (const [name, status] of statuses) {
    const id = mermaidId(name);
    if (id !== name) lines.push(`state "${name}" as ${id}`);
    for (const to of status.to ?? []) lines.push(`${id} --> ${mermaidId(to)}`);
    if (status.exhausted !== undefined) lines.push(`${id} --> ${mermaidId(status.exhausted)} : attempts exhausted`);
    if (status.expires !== undefined) {
      lines.push(`${id} --> ${mermaidId(status.expires.to)} : expires after ${duration(status.expires.afterSeconds)}`);
    }
    if (status.final) lines.push(`${id} --> [*]`);
  }
  lines.push(
    "classDef handled fill:#dbeafe,stroke:#2563eb,color:#1e3a8a",
    "classDef waiting fill:#fef3c7,stroke:#d97706,color:#78350f,stroke-dasharray:5 3",
    "classDef final fill:#e5e7eb,stroke:#6b7280,color:#111827,stroke-width:3px",
  );
  for (const kind of ["handled", "waiting", "final"] as const) {
    const ids = statuses.filter(([, status]) => kindOf(status) === kind).map(([name]) => mermaidId(name));
    if (ids.length > 0) lines.push(`class ${ids.join(", ")} ${kind}`);
  }
  const body = lines.map((line) => `  ${line}\n`).join("");
  return `---\ntitle: ${workflow.name}\n---\nstateDiagram-v2\n${body}`;
}

// Words that Mermaid reads as its own where a state's name stands.
const reserved = new Set(
  "as class classdef click default direction end href note scale state statediagram style".split(" "),
);

function mermaidId(name: string): string {
  return reserved.has(name.toLowerCase()) ? `${name}_` : name;
}

/** Seconds in the largest unit that says them exactly. */
function duration(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ] as const;
  const unit = units.find(([length]) => seconds % length === 0);
  return unit === undefined ? `${seconds} s` : `${seconds / unit[0]} ${unit[1]}`;
}
