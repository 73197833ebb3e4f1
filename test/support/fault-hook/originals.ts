import fs from "node:fs";

/** The functions of `node:fs` as they are without the hook: what the hook itself must use. */
export const original: typeof fs = { ...fs };
