import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { countCodeLines, countLines, type FunctionSpan, findFunctions, parseSource } from "../syntax.ts";

export interface MeasuredFile {
  /** Its path below the folder that was measured. */
  readonly path: string;
  /** Without comments and blank lines. */
  readonly codeLines: number;
  readonly lines: number;
  readonly functions: readonly FunctionSpan[];
}

/** Measures the TypeScript files of a folder and of its sub-folders. */
export function measureFiles(folder: string): MeasuredFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort()
    .map((path) => {
      const text = readFileSync(join(folder, path), "utf8");
      const source = parseSource(path, text);
      return {
        path,
        codeLines: countCodeLines(source),
        lines: countLines(text),
        functions: findFunctions(source),
      };
    });
}

export interface Longest {
  readonly lines: number;
  readonly name: string;
}

export interface Room {
  /** A folder's path; "" for the files right in the measured folder. */
  readonly path: string;
  /** 0 for a room, 1 for a room inside of it. */
  readonly depth: number;
  readonly files: number;
  readonly codeLines: number;
  readonly lines: number;
  readonly longestFile: Longest;
  readonly longestFunction: Longest;
}

/** Gives a row for each folder, with all files below the folder, and last a row for the files right in the measured one. */
export function sumRooms(files: readonly MeasuredFile[]): Room[] {
  const folders = new Map<string, MeasuredFile[]>();
  for (const file of files) {
    const names = file.path.split("/").slice(0, -1);
    if (names.length === 0) add(folders, "", file);
    for (const depth of names.keys()) add(folders, names.slice(0, depth + 1).join("/"), file);
  }
  const paths = [...folders.keys()].sort((a, b) => Number(a === "") - Number(b === "") || (a < b ? -1 : 1));
  return paths.map((path) => sumFiles(path, folders.get(path) ?? []));
}

function add(folders: Map<string, MeasuredFile[]>, path: string, file: MeasuredFile): void {
  folders.set(path, [...(folders.get(path) ?? []), file]);
}

export function sumFiles(path: string, files: readonly MeasuredFile[]): Room {
  const functions = files.flatMap((file) => file.functions);
  return {
    path,
    depth: path.split("/").length - 1,
    files: files.length,
    codeLines: files.reduce((sum, file) => sum + file.codeLines, 0),
    lines: files.reduce((sum, file) => sum + file.lines, 0),
    longestFile: longestOf(files.map(({ path, lines }) => ({ name: path.split("/").at(-1) ?? "", lines }))),
    longestFunction: longestOf(functions),
  };
}

function longestOf(all: readonly Longest[]): Longest {
  return all.reduce((longest, each) => (each.lines > longest.lines ? each : longest), { name: "", lines: 0 });
}

/** Gives the functions that are longer than `linesMax`, the longest first. */
export function longFunctions(files: readonly MeasuredFile[], linesMax: number): (FunctionSpan & { path: string })[] {
  return files
    .flatMap(({ path, functions }) => functions.map((each) => ({ path, ...each })))
    .filter(({ lines }) => lines > linesMax)
    .sort((a, b) => b.lines - a.lines);
}
