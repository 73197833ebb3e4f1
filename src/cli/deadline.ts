/**
 * How long files in flight may still take after the agent was asked to stop. systemd waits 90
 * seconds by default before it kills; this leaves room for the last log records.
 */
export const STOP_DEADLINE_MS = 30_000;

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
