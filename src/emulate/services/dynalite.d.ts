declare module "dynalite" {
  import type { Server } from "node:http";
  export default function dynalite(options: {
    readonly createTableMs: number;
    readonly deleteTableMs: number;
    readonly updateTableMs: number;
    /** The folder of its LevelDB. Without it, dynalite keeps every table in memory. */
    readonly path?: string | undefined;
  }): Server;
}
