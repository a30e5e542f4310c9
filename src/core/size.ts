/** Whether a text takes more bytes of UTF-8 than so many. A UTF-16 unit takes one to three, so most texts need no count. */
export function exceedsBytes(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax);
}
