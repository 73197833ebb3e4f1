/** Says on the terminal that a test was left out, which must not look like a success. */
export function notRun(what: string): void {
  process.stdout.write(`    NOT RUN: ${what}\n`);
}

/** Whether this is root; says that a test was left out if it is not. */
export function isRootOr(leavesOut: string): boolean {
  if (process.geteuid?.() === 0) return true;
  notRun(`${leavesOut}: only root can make the case`);
  return false;
}
