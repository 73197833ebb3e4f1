/**
 * Loaded into the agent's process by `node --import`, before the agent itself: puts the plan of the
 * variable FAULT_PLAN into force. The agent does not know of it.
 */
import type { FaultPlan } from "../fault-plan.ts";
import { patchFs } from "./patch-fs.ts";
import { patchKoffi } from "./patch-koffi.ts";
import { Steps } from "./steps.ts";

const text = process.env["FAULT_PLAN"];
if (text === undefined) throw new Error("the fault hook has no plan: FAULT_PLAN is not set");
const plan: FaultPlan = JSON.parse(text);
const steps = new Steps(plan);
patchKoffi(steps);
await patchFs(steps);
