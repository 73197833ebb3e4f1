/** Stands in every secret of tests and of the local AWS, and in nothing else. */
export const SECRET_MARK = "wJalrXUtnFEMI";

/** Stands in the content of files that tests write, and in nothing else. */
export const CONTENT_MARK = "21.5 degrees at noon";
