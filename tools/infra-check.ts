import { BODY_BYTES_MAX, checkTemplate, lint, readTemplates, untried } from "./infra/check.ts";
import { clientsOf } from "./infra/clients.ts";
import { reportOf } from "./infra/report.ts";
import { startLocalAws } from "./local-aws.ts";

/**
 * `npm run infra:check`: lints the templates of `infra/`, deploys each into a local AWS with each of
 * its parameter sets, and compares what came to be with what it declares. Prints a table and the
 * findings; ends with 1 when there are any.
 */
const files = await readTemplates();
await using aws = await startLocalAws();
const clients = clientsOf(aws);

const linted = (await lint(files.map(({ path }) => path)))
  .split("\n")
  .filter((line) => line !== "");
process.stdout.write(`cfn-lint: ${files.length} templates, ${linted.length} findings\n`);
const findings = [...linted];
for (const file of files) {
  const stacks = await checkTemplate(clients, file);
  const report = reportOf(file, stacks);
  process.stdout.write(`\n${report.table}\n`);
  findings.push(...report.findings, ...untried(file, stacks).map((one) => `${file.name}: ${one}`));
  if (file.bytes >= BODY_BYTES_MAX) findings.push(`${file.name}: ${file.bytes} bytes are too many`);
}
process.stdout.write(
  `\n${findings.map((one) => `${one}\n`).join("")}${findings.length} findings\n`,
);
if (findings.length > 0) process.exitCode = 1;
