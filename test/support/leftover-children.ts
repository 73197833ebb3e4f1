import type { ChildProcess } from "node:child_process";

const children = new Set<ChildProcess>();

/** Ends a child when all tests have ended, if it has not ended by then. */
export function endAtLast<Child extends ChildProcess>(child: Child): Child {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/**
 * Loaded before every test. A test that fails of its time limit never comes to the end of its
 * `await using`: what it started would keep the run from ending.
 */
export const mochaHooks = {
  afterAll() {
    for (const child of children) child.kill("SIGKILL");
  },
};
