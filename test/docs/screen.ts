import type { Fence, Page } from "./markdown.ts";

// The first screen is what a newcomer sees and types first: the first 40 lines of README.md and README.es.md.

const linesMax = 40;

/** Gives a language's code blocks that end within the first screen. */
export function fencesOf({ fences }: Page, language: string): readonly Fence[] {
  return fences.filter(({ language: own, body, at }) => {
    const end = Number(at.split(":")[1]) + body.split("\n").length + 1;
    return own === language && end <= linesMax;
  });
}

export function screenOf({ text }: Page): string[] {
  return text.split("\n").slice(0, linesMax);
}

/** Gives the shell lines of the first screen. */
export function commandsOf(page: Page): string[] {
  return fencesOf(page, "sh").flatMap(({ body }) => body.split("\n"));
}
