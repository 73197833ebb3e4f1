import { FLUSH_MS_MAX } from "../agent/agent.ts";

/**
 * How long files in flight may still take after the agent was asked to stop. The unit's
 * TimeoutStopSec is 60 seconds; this leaves room for the last log records.
 */
export const STOP_DEADLINE_MS = 30_000;

/** For what is left then: files put back under their names, the spool and the last lines. */
const CLOSING_MS_MAX = 10_000;

/**
 * The longest that a stop takes, unless a disk hangs. For so long a service manager whose patience
 * is shorter is asked for more time.
 */
export const STOP_MS_MAX = STOP_DEADLINE_MS + FLUSH_MS_MAX + CLOSING_MS_MAX;

/** A signal that aborts STOP_DEADLINE_MS after `stop` did. */
export function afterStopDeadline(stop: AbortSignal): AbortSignal {
  const cancel = new AbortController();
  const begin = () => {
    // Nothing waits for this: a process that has ended its work need not wait for the deadline.
    const timer = setTimeout(
      () => cancel.abort(new Error("the stop deadline has passed")),
      STOP_DEADLINE_MS,
    );
    timer.unref();
  };
  if (stop.aborted) begin();
  else stop.addEventListener("abort", begin, { once: true });
  return cancel.signal;
}
