/** systemd.exec(5), ProtectHome=: below these a service in a sandbox sees only what it is given. */
const HOMES = ["/root", "/home", "/run/user"];

/** The place of homes that a path is or lies below; undefined: none. Pure. @param path absolute */
export function homeAbove(path: string): string | undefined {
  return HOMES.find((home) => path === home || path.startsWith(`${home}/`));
}
