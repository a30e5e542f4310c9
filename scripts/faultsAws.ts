import { run } from "node:test";
import Table from "cli-table3";

// Runs the table of faults of the AWS backend and of the functions, and prints how many cells of each row passed, in
// standard and in FIFO delivery. Exit code 1: a cell failed.

const files = ["test/backend/aws/faults.test.ts", "test/lambda/faults.test.ts"];
let failed = false;

for (const file of files) {
  const rows = new Map<string, Map<string, string[]>>();
  const tell = (name: string, mark: string) => {
    const [delivery = "", row = "", fault] = name.split(" · ");
    if (fault === undefined) return;
    const cells = rows.get(row) ?? new Map<string, string[]>();
    rows.set(row, cells.set(fault, [...(cells.get(fault) ?? []), `${delivery.slice(0, 1)}${mark}`]));
  };
  const running = run({ files: [file], env: { ...process.env, FAULTS: "all" }, execArgv: ["--conditions=source"] });
  running.on("test:pass", ({ name }) => tell(name, "✓"));
  running.on("test:fail", ({ name, details }) => {
    failed = true;
    tell(name, "✗");
    if (name.includes(" · ")) console.error(`${name}: ${details.error.message}`);
  });
  await running.resume().toArray();
  const faults = [...new Set([...rows.values()].flatMap((cells) => [...cells.keys()]))];
  const table = new Table({ head: [file, ...faults], style: { head: [], border: [] } });
  for (const [row, cells] of rows) table.push([row, ...faults.map((fault) => (cells.get(fault) ?? []).join(" "))]);
  console.log(table.toString());
}
process.exitCode = failed ? 1 : 0;
