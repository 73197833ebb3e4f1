/**
 * Runs cases of host-limits-cases.ts, one for each message with its name, in a process of its own,
 * which may be in a mount namespace of its own, and answers with the result.
 */
import { inspect } from "node:util";
import { HOST_CASES } from "./host-limits-cases.ts";

process.on("message", (name: string) => {
  const done = HOST_CASES[name]?.run();
  done?.then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: inspect(error) }),
  );
});
process.on("disconnect", () => process.exit());
