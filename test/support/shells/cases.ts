/** What stands before the cursor, and what a shell is to offer there. */
export interface CompletionCase {
  readonly line: string;
  readonly words: readonly string[];
  /** What it offers beside the words: names of the folder it stands in. */
  readonly takes?: "files" | "directories";
  /** Of the folder made by `makeFiles`. */
  readonly names?: readonly string[];
}

/** The files of a folder that completion is tried out in. A slash at the end: a directory. */
export const FILES = ["agent.yaml", "fleet.yaml", "spoon.txt", "spool/"] as const;

/** Lines with what every shell must make of them. */
export const COMPLETION_CASES: readonly CompletionCase[] = [
  { line: "s3-offload-agent st", words: ["status"] },
  { line: "s3-offload-agent config ", words: ["show", "check", "help"] },
  { line: "s3-offload-agent fleet ho", words: ["host", "hosts"] },
  { line: "s3-offload-agent fleet canary st", words: ["status"] },
  { line: "s3-offload-agent help fl", words: ["fleet"] },
  { line: "s3-offload-agent sweep --d", words: ["--dry-run"] },
  { line: "s3-offload-agent fleet plan --de", words: ["--detailed-exitcode"] },
  { line: "s3-offload-agent fleet host i-0abc ", words: ["show", "set", "unset"] },
  { line: "s3-offload-agent fleet host --fleet status i-0abc un", words: ["unset"] },
  { line: "s3-offload-agent fleet host -y -m show i-0abc un", words: ["unset"] },
  {
    line: "s3-offload-agent fleet logs web-1 --level ",
    words: ["debug", "info", "warn", "error"],
  },
  { line: "s3-offload-agent fleet pull --region ", words: [] },
  { line: "s3-offload-agent fleet hosts --expect ec", words: ["ec2"], takes: "files" },
  {
    line: "s3-offload-agent fleet hosts --expect sp",
    words: [],
    takes: "files",
    names: ["spoon.txt", "spool"],
  },
  { line: "s3-offload-agent config check fl", words: [], takes: "files", names: ["fleet.yaml"] },
  { line: "s3-offload-agent run --config ag", words: [], takes: "files", names: ["agent.yaml"] },
  { line: "s3-offload-agent run --config=ag", words: [], takes: "files", names: ["agent.yaml"] },
  { line: "s3-offload-agent fleet pull -o fl", words: [], takes: "files", names: ["fleet.yaml"] },
  { line: "s3-offload-agent allow sp", words: [], takes: "directories", names: ["spool"] },
  { line: "s3-offload-agent allow /srv sp", words: [], takes: "directories", names: ["spool"] },
  {
    line: "s3-offload-agent retry --directory sp",
    words: [],
    takes: "directories",
    names: ["spool"],
  },
];
