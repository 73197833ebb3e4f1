import { fleetResources } from "../infra/fleet-resources.ts";
import { DEFAULTS } from "./arguments.ts";
import { readMeasured } from "./measured.ts";
import {
  type CostLine,
  type Facts,
  type Fleet,
  logBytes,
  monthOf,
  savingsOf,
  text,
  totalOf,
} from "./model.ts";
import { GB, MONTH_HOURS, PRICES } from "./prices.ts";
import { countStack, declaredMetrics } from "./stack.ts";

/** What the calculator reckons with: measured sizes, and what the stack and the tables declare. */
export async function readFacts(): Promise<Facts> {
  const resources = await fleetResources({ ExpectedHosts: "1" });
  return {
    measured: await readMeasured(),
    stack: countStack(resources),
    metrics: declaredMetrics(),
  };
}

/** The bill as text for a terminal. */
export function reportText(fleet: Fleet, facts: Facts): string {
  const lines = monthOf(fleet, facts);
  const rows = lines.map(({ what, amount, dollars, price }) => [
    what,
    amount,
    money(dollars),
    price.isVerified ? "" : "price not verified",
  ]);
  const total = totalOf(lines);
  const sum = ["Together", "", money(total), `${money(total / fleet.hosts)} a host`];
  const savings = savingsOf(fleet, facts)
    .filter(({ dollars }) => dollars >= 0.005)
    .map(({ knob, dollars }) => [knob.replaceAll("`", ""), money(dollars)]);
  return [
    `${fleet.hosts.toLocaleString("en-US")} hosts, ${text(fleet.filesPerHour)} files an hour each, a month in us-east-1:`,
    ...aligned([["", "amount", "dollars", ""], ...rows, sum]),
    "",
    "What would save, each alone:",
    ...aligned(savings),
    "",
    ...notes(fleet, facts).map((note) => `- ${note}`),
    "",
  ].join("\n");
}

/** The bill for programs. */
export function reportJson(fleet: Fleet, facts: Facts): string {
  const lines = monthOf(fleet, facts);
  const total = totalOf(lines);
  const report = {
    fleet,
    measured: facts.measured,
    lines: lines.map(({ what, amount, dollars, price }) => ({ what, amount, dollars, price })),
    dollars: total,
    dollarsPerHost: total / fleet.hosts,
    savings: savingsOf(fleet, facts),
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** What is not on the bill, and what a person brings about. */
function notes(fleet: Fleet, { measured }: Facts): readonly string[] {
  const bytes = logBytes(fleet, measured);
  const scan = (of: number, hours: number) =>
    money(((of / MONTH_HOURS) * hours * PRICES.logScan.dollars) / GB);
  const stored = (fleet.hosts * fleet.filesPerHour * MONTH_HOURS * fleet.fileBytes) / GB;
  return [
    `Sizes of records were measured on ${measured.at} (${measured.version}); 26 bytes are added to each.`,
    `The files themselves, ${text(stored)} GB a month, are billed by the bucket. No free tier is deducted.`,
    `A query over a day costs ${scan(bytes.state, 24)} in the log of states, ${scan(bytes.files, 24)} in that of files.`,
    `Each look at the dashboard queries its range of both: ${scan(bytes.state + bytes.files, 12)} for 12 hours.`,
  ];
}

/** The generated parts of docs/cost.md, by their names. */
export function pageParts(facts: Facts): Readonly<Record<string, string>> {
  const fleets = [100, 1_000, 10_000].map((hosts) => ({ ...DEFAULTS, hosts }));
  return {
    bill: billTable(fleets, facts),
    savings: savingsTable(fleets, facts),
    measured: measuredTable(facts),
    prices: table([
      ["price", "of", "as of", "source", "verified"],
      ...Object.values(PRICES).map(({ dollars, unit, asOf, source, isVerified }) => {
        return [
          `$${Number(dollars.toPrecision(3))}`,
          unit,
          asOf,
          source,
          isVerified ? "yes" : "**no**",
        ];
      }),
    ]),
  };
}

function billTable(fleets: readonly Fleet[], facts: Facts): string {
  const bills = fleets.map((fleet) => monthOf(fleet, facts));
  const names = bills[0]?.map(({ what }) => what) ?? [];
  const cell = ({ amount, dollars }: CostLine) => `${money(dollars)} (${amount})`;
  const rows = names.map((name) => [
    name,
    ...bills.map((bill) =>
      bill
        .filter(({ what }) => what === name)
        .map(cell)
        .join(""),
    ),
  ]);
  const totals = bills.map(totalOf);
  return table([
    ["a month", ...fleets.map(({ hosts }) => `${hosts.toLocaleString("en-US")} hosts`)],
    ...rows,
    ["**together**", ...totals.map((total) => `**${money(total)}**`)],
    ["a host", ...totals.map((total, index) => money(total / (fleets[index]?.hosts ?? 1)))],
  ]);
}

function savingsTable(fleets: readonly Fleet[], facts: Facts): string {
  const all = fleets.map((fleet) => savingsOf(fleet, facts));
  const rows = (all[0] ?? []).map(({ knob, price }, index) => [
    knob,
    ...all.map((savings) => money(savings[index]?.dollars ?? 0)),
    price,
  ]);
  const hosts = fleets.map((fleet) => `${fleet.hosts.toLocaleString("en-US")} hosts`);
  return table([["setting", ...hosts, "what is given up"], ...rows]);
}

function measuredTable({ measured, metrics, stack }: Facts): string {
  const perDay = { ...DEFAULTS, hosts: 1 };
  const bytes = logBytes(perDay, measured);
  const daily = (of: number) => `${text(of / (MONTH_HOURS / 24) / 1_000)} kB`;
  return table([
    ["what", "how much"],
    [`measured on ${measured.at}, version ${measured.version}`, ""],
    ["`agent.heartbeat`", `${measured.heartbeatBytes} B`],
    [
      "`sweep.completed`",
      `${measured.sweepBytes} B, and ${measured.sweepBytesPerUpload} B an upload`,
    ],
    ["`file.removed`", `${measured.fileRemovedBytes} B`],
    ["`file.failed`", `${measured.fileFailedBytes} B`],
    ["a host's log of states, a day", daily(bytes.state)],
    ["a host's log of files, a day", daily(bytes.files)],
    ["metrics of a fleet", `${metrics.ofFleet}, and ${metrics.ofRoute} for each route's name`],
    ["metrics of alarms", String(stack.alarmMetrics)],
  ]);
}

/** The page with every generated part made anew. @throws Error if a part's marks are missing */
export function withParts(page: string, parts: Readonly<Record<string, string>>): string {
  let result = page;
  for (const [name, made] of Object.entries(parts)) {
    const part = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!part.test(result)) throw new Error(`docs/cost.md has no part ${name}`);
    result = result.replace(part, (_, open: string, close: string) => `${open}${made}${close}`);
  }
  return result;
}

function money(dollars: number): string {
  if (dollars >= 100) return `$${Math.round(dollars).toLocaleString("en-US")}`;
  if (dollars >= 0.1 || dollars === 0) return `$${dollars.toFixed(2)}`;
  return `$${Number(dollars.toPrecision(2))}`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (known, row) => row.map((cell, column) => Math.max(known[column] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 1 || column === 2 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return `${[line(head), `|${"---|".repeat(head.length)}`, ...body.map(line)].join("\n")}\n`;
}
