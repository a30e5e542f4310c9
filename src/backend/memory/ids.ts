import { randomBytes } from "node:crypto";

/**
 * Ids that sort by the time of placing: UUIDs of version 7 (RFC 9562), whose 12 bits after the time count within one
 * millisecond. When they are used up, or the clock stands still or goes back, the time in the id runs ahead instead.
 */
export function timeOrderedIds(now: () => number): () => string {
  let time = 0;
  let counter = 0;
  return () => {
    const present = now();
    if (present > time) {
      time = present;
      counter = 0;
    } else if (++counter > 0xfff) {
      time++;
      counter = 0;
    }
    const bytes = randomBytes(16);
    bytes.writeUIntBE(time, 0, 6);
    bytes.writeUInt16BE(0x7000 | counter, 6);
    bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
    const hex = bytes.toString("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
