declare module "dynalite" {
  import type { Server } from "node:http";
  export default function dynalite(options: {
    readonly createTableMs: number;
    readonly deleteTableMs: number;
    readonly updateTableMs: number;
    /** The folder of its LevelDB; without it, it is all in memory. */
    readonly path?: string | undefined;
  }): Server;
}
