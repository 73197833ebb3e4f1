/** A table of Markdown. @param rows its head first */
export function table(rows: readonly (readonly string[])[]): string {
  const lines = rows.map(
    (row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
  );
  const [head = "", ...body] = lines;
  const rule = `|${"---|".repeat(rows[0]?.length ?? 0)}`;
  return `${[head, rule, ...body].join("\n")}\n`;
}
