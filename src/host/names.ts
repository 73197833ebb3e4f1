/**
 * What a fleet or a host may be called: as a path segment in the Parameter Store, a log stream and
 * an object key all take it. A key segment `.` or `..` would lead elsewhere in tools that take keys
 * for paths.
 */
export const NAME_PATTERN = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;

/** What is said of a name that does not match. */
export const NAME_EXPECTS =
  "must be 1 to 128 letters, digits, dots, underscores and hyphens, and not . or ..";
