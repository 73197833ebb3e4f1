import { gzipSync } from "node:zlib";
import { readCommandTree } from "./command-tree.ts";
import { bashCompletion } from "./completions/bash.ts";
import { fishCompletion } from "./completions/fish.ts";
import { zshCompletion } from "./completions/zsh.ts";
import { manPages } from "./man-pages.ts";

/**
 * Where zsh looks for completions that packages bring, below /usr/share: everywhere, and in Debian,
 * whose policy keeps site-functions for the administrator.
 */
export const ZSH_COMPLETION = "zsh/site-functions/_s3-offload-agent";
export const ZSH_COMPLETION_DEBIAN = "zsh/vendor-completions/_s3-offload-agent";

/**
 * The manual pages and the completions of shells, made from the program's commands and the schemas
 * of its settings. The same source makes the same bytes.
 * @param about.version as the pages name it
 * @param about.date the day on the pages
 * @returns by the path below /usr/share
 */
export function renderManual(about: {
  readonly version: string;
  readonly date: Date;
}): ReadonlyMap<string, Uint8Array> {
  const program = readCommandTree();
  const files = new Map<string, Uint8Array>();
  for (const [name, text] of manPages(program, about)) {
    // Node writes no name and no time into the header.
    files.set(`man/man${name.at(-1)}/${name}.gz`, gzipSync(text, { level: 9 }));
  }
  const completions: readonly (readonly [path: string, text: string])[] = [
    ["bash-completion/completions/s3-offload-agent", bashCompletion(program)],
    [ZSH_COMPLETION, zshCompletion(program)],
    ["fish/vendor_completions.d/s3-offload-agent.fish", fishCompletion(program)],
  ];
  for (const [path, text] of completions) files.set(path, Buffer.from(text));
  return files;
}
