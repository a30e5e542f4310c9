/** Lets schemathesis send generated requests to a server of the example, and checks every answer. `--help` says how. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createCauce } from "cauce";
import { sqlite } from "cauce/sqlite";
import orders from "../examples/orders/orders.app.ts";
import { createKey } from "../src/http/auth.ts";
import { listen } from "../src/node/server.ts";

const version = "4.32.5";
const help = `Usage: npm run schemathesis -- [options]

Starts a server of examples/orders on a free port and a temporary directory, and has
schemathesis (from PyPI) test it against its own /openapi.json with every check.
Installs schemathesis ${version} under node_modules/.cache the first time.

  --seconds N   how long the run may take (default 90)
  --seed N      sends the requests of an earlier run
  --help        this text

Exit codes: 0 nothing is wrong, or Python or schemathesis is missing (it says which);
1 something is wrong, 2 wrong usage.
`;

/** Left out, since a stream of events ends only when the client closes it. */
const endless = "^/events$";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Finds the command, and installs it if it is missing. Else says why it is missing. */
function findSchemathesis(): { command: string } | { missing: string } {
  const directory = join(root, "node_modules/.cache/schemathesis");
  const [scripts, suffix] = process.platform === "win32" ? ["Scripts", ".exe"] : ["bin", ""];
  const command = join(directory, scripts, `schemathesis${suffix}`);
  const works = () =>
    existsSync(command) && spawnSync(command, ["--version"], { encoding: "utf8" }).stdout?.includes(version);
  if (works()) return { command };
  const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);
  if (python === undefined) return { missing: "there is no Python on this machine" };
  rmSync(directory, { recursive: true, force: true });
  if (spawnSync(python, ["-m", "venv", directory]).status !== 0) return { missing: `${python} has no venv or pip` };
  const pip = [
    join(directory, scripts, `python${suffix}`),
    "-m",
    "pip",
    "install",
    "--quiet",
    "--retries",
    "1",
  ] as const;
  const [program, ...words] = [...pip, "--disable-pip-version-check", `schemathesis==${version}`] as [
    string,
    ...string[],
  ];
  const installed = spawnSync(program, words, { encoding: "utf8", timeout: 180_000 });
  if (installed.status === 0 && works()) return { command };
  rmSync(directory, { recursive: true, force: true });
  const reason = installed.stderr?.trim().split("\n").at(-1) || "it took too long";
  return { missing: `schemathesis ${version} could not be installed: ${reason}` };
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

async function run(command: string, seconds: number, seed: string | undefined): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "cauce-schemathesis-"));
  const key = createKey();
  const auth = { keys: [{ name: "schemathesis", role: "operate" as const, sha256: key.sha256 }] };
  const cauce = await createCauce({ apps: orders, backend: sqlite({ directory: join(directory, "data") }), auth });
  try {
    const listener = await listen((request, env) => cauce.fetch(request, env), { host: "127.0.0.1", port: 0 });
    try {
      await cauce.start();
      const args = [
        ...["--config-file", join(root, "scripts/schemathesis.toml")],
        ...["run", `http://127.0.0.1:${listener.port}/openapi.json`],
        ...["--header", `Authorization: Bearer ${key.key}`],
        ...["--checks", "all", "--max-time", String(seconds), "--request-timeout", "10"],
        ...["--exclude-path-regex", endless],
        ...["--no-color", ...(seed === undefined ? [] : ["--seed", seed])],
      ];
      const child = spawn(command, args, {
        cwd: directory,
        stdio: "inherit",
        env: {
          ...process.env,
          SCHEMATHESIS_HOOKS: "schemathesis_hooks",
          PYTHONPATH: join(root, "scripts"),
          PYTHONDONTWRITEBYTECODE: "1",
        },
      });
      const late = setTimeout(() => child.kill(), (seconds + 60) * 1_000);
      const code = await ended(child);
      clearTimeout(late);
      return code === 0 ? 0 : 1;
    } finally {
      listener.abort();
      await listener.close();
    }
  } finally {
    await cauce.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function readOptions(): { help: boolean; seconds: number; seed: string | undefined } {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", default: false },
      seconds: { type: "string", default: "90" },
      seed: { type: "string" },
    },
  });
  if (!/^[1-9]\d{0,4}$/.test(values.seconds))
    throw new Error(`--seconds is "${values.seconds}"; give a whole number from 1`);
  return { help: values.help, seconds: Number(values.seconds), seed: values.seed };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    return 2;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  const found = findSchemathesis();
  if ("missing" in found) {
    console.log(`schemathesis was not run: ${found.missing}`);
    return 0;
  }
  return await run(found.command, options.seconds, options.seed);
}

process.exitCode = await main();
