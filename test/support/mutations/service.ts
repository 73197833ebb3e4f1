import type { Mutation } from "./mutation.ts";

const MANAGER = "unit/lib/service-manager.test.ts";
const PROGRESS = "unit/lib/progress.test.ts";
const REPORT = "unit/agent/service-report.test.ts";
const STORE = "unit/sweep/marked-store.test.ts";
const SWEEP = "unit/sweep/sweep-progress.test.ts";

/** What has an agent that hangs started anew, and no other. */
export const SERVICE_MUTATIONS: readonly Mutation[] = [
  {
    name: "the watchdog is fed whatever hangs",
    file: "agent/service-report.ts",
    edits: [["if (longest === undefined) manager.watchdog();", "manager.watchdog();"]],
    foundBy: [REPORT, "not while it hangs"],
  },
  {
    name: "a process that was frozen as a whole is taken to hang",
    file: "agent/service-report.ts",
    edits: [["if (lateMs > LATE_MS_MIN) progress.forgive(lateMs);", ""]],
    foundBy: [REPORT, "stood still as a whole"],
  },
  {
    name: "a reload whose refresh never ends goes on for ever",
    file: "agent/service-report.ts",
    edits: [
      [
        "await Promise.race([done.catch(() => undefined), time]);",
        "await done.catch(() => undefined);",
      ],
    ],
    foundBy: [REPORT, "ends each reload"],
  },
  {
    name: "the first of several reloads ends them all",
    file: "agent/service-report.ts",
    edits: [["if (this.#reloads === 0 && ", "if ("]],
    foundBy: [REPORT, "the last of several reloads"],
  },
  {
    name: "a stop that hangs is given time for ever",
    file: "agent/service-report.ts",
    edits: [["? !this.#isReady : leftMs > 0", "? !this.#isReady : true"]],
    foundBy: [REPORT, "as long as a stop may take"],
  },
  {
    name: "a start that hangs is given time for ever",
    file: "agent/service-report.ts",
    edits: [["if (isOnTheWay && longest === undefined) {", "if (isOnTheWay) {"]],
    foundBy: [REPORT, "a start that hangs"],
  },
  {
    name: "a task that hangs is hidden by others that go on",
    file: "lib/progress.ts",
    edits: [["(waits > 0 ? lastOfAll : markedAt)", "lastOfAll"]],
    foundBy: [PROGRESS, "is not hidden"],
  },
  {
    name: "waiting for others is taken to hang",
    file: "lib/progress.ts",
    edits: [["(waits > 0 ? lastOfAll : markedAt)", "markedAt"]],
    foundBy: [PROGRESS, "as much alive as they are"],
  },
  {
    name: "who has waited for others once never hangs any more",
    file: "lib/progress.ts",
    edits: [["          state.waits -= 1;\n", ""]],
    foundBy: [PROGRESS, "as much alive as they are"],
  },
  {
    name: "work that has failed is taken to be under way",
    file: "lib/progress.ts",
    edits: [["using task = this.begin(name);", "const task = this.begin(name);"]],
    foundBy: [PROGRESS, "hangs no longer"],
  },
  {
    name: "a sleep is no mark when it is over",
    file: "lib/progress.ts",
    edits: [
      [
        'await clock.sleep(ms, signal);\n      marks.mark("sleep");',
        "await clock.sleep(ms, signal);",
      ],
    ],
    foundBy: [PROGRESS, "a sleep is a mark"],
  },
  {
    name: "a large body on a slow line is taken to hang",
    file: "sweep/marked-store.ts",
    edits: [["return isPiece ? body : pieces(body, marks);", "return body;"]],
    foundBy: [STORE, "is not taken to hang"],
  },
  {
    name: "who waits for bandwidth behind others is taken to hang",
    file: "sweep/marked-store.ts",
    edits: [["marks.waitFor(limiter.take(bytes, signal))", "limiter.take(bytes, signal)"]],
    foundBy: [STORE, "behind others"],
  },
  {
    name: "a completion that lasts is taken to hang",
    file: "sweep/marked-store.ts",
    edits: [
      [
        "marks.allow(COMPLETION_QUIET_MS_MAX, store.completeUpload(request))",
        "store.completeUpload(request)",
      ],
    ],
    foundBy: [STORE, "take its time"],
  },
  {
    name: "a scan of empty directories is taken to hang",
    file: "sweep/scan.ts",
    edits: [["      onName();\n", ""]],
    foundBy: [SWEEP, "in empty directories too"],
  },
  {
    name: "the reading of a file is taken to hang",
    file: "sweep/transfer.ts",
    edits: [['return () => marks.mark("read");', "return () => {};"]],
    foundBy: [SWEEP, "while a file is read"],
  },
  {
    name: "a sweep is watched by nobody",
    file: "agent/lanes.ts",
    edits: [
      ["import type { Progress } from", "import { Progress } from"],
      ["using task = this.#options.progress.begin(`", "using task = new Progress(clock).begin(`"],
    ],
    foundBy: ["unit/agent/lanes-hung.test.ts", "hangs"],
  },
  {
    name: "a state that the manager's queue has no room for is lost",
    file: "lib/service-manager.ts",
    edits: [["if (!this.#send(this.#unsent[0])) return false;", "this.#send(this.#unsent[0]);"]],
    foundBy: [MANAGER, "when its queue was full"],
  },
  {
    name: "a watchdog of another process is fed",
    file: "lib/service-manager.ts",
    edits: [["&& watched !== String(pid)) return", "&& watched === String(pid)) return"]],
    foundBy: [MANAGER, "this process that it watches"],
  },
  {
    name: "children may speak to the service manager",
    file: "lib/service-manager.ts",
    edits: [["for (const name of VARIABLES) delete rest[name];", ""]],
    foundBy: [MANAGER, "nobody's of the children"],
  },
];
