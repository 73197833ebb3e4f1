import { join } from "node:path";
import type { Parameter, ParameterPaths } from "../config/parameters.ts";
import type { DamagedLog, RecordFormat } from "../lib/record-log.ts";
import { StateFile } from "../lib/state-file.ts";
import { NOTHING_REMEMBERED, type RevisionMemory } from "./poll-plan.ts";
import type { LastKnownGood } from "./refresher.ts";

const FORMAT: RecordFormat = { format: "s3-offload-agent configuration", version: 1 };

/** Whose parameters they are: those of another host, fleet or region are of no use. */
export interface ConfigOwner extends ParameterPaths {
  readonly region: string;
}

/**
 * The parameters of the last good configuration, in the state directory, as they were read: what
 * the bootstrap file forbids and what this version of the agent refuses is asked anew at each
 * start. The file is replaced as a whole and synced; one that is not whole counts for nothing.
 */
export class LastKnownGoodFile {
  readonly #file: StateFile;
  readonly #owner: ConfigOwner;

  /** @param directory the state directory */
  constructor(
    directory: string,
    owner: ConfigOwner,
    onDamage: (path: string, damage: DamagedLog) => void = () => undefined,
  ) {
    this.#file = new StateFile(join(directory, "config"), FORMAT, onDamage);
    this.#owner = owner;
  }

  /** Why the last write failed; undefined: it did not. */
  get problem(): string | undefined {
    return this.#file.problem;
  }

  /** Opens the file for a process that will write to it. @throws system errors */
  async load(): Promise<LastKnownGood | undefined> {
    return fromRecords(await this.#file.load(), this.#owner);
  }

  /** Only looks: makes, cuts and locks nothing. */
  async peek(): Promise<LastKnownGood | undefined> {
    return fromRecords(await this.#file.peek(), this.#owner);
  }

  /** Keeps a configuration; a disk in trouble is borne, and `problem` tells of it. */
  async keep(good: LastKnownGood): Promise<void> {
    await this.#file.rewrite(() => toRecords(good, this.#owner)).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }
}

function toRecords({ set, readAt, memory }: LastKnownGood, owner: ConfigOwner): unknown[] {
  const { fleet, host } = set;
  return [
    { owner, readAt, memory, parameters: fleet.length + host.length },
    ...fleet.map((parameter) => ({ of: "fleet", parameter })),
    ...host.map((parameter) => ({ of: "host", parameter })),
  ];
}

/** Reads what may have been written by anybody: all of it, or nothing. */
function fromRecords(records: readonly unknown[], owner: ConfigOwner): LastKnownGood | undefined {
  const [head, ...rest] = records.filter(isObject);
  if (head === undefined || rest.length !== head["parameters"]) return undefined;
  const of = head["owner"];
  const isOurs =
    isObject(of) &&
    (["fleet", "host", "region"] as const).every((name) => of[name] === owner[name]);
  const readAt = head["readAt"];
  if (!isOurs || typeof readAt !== "number" || !Number.isFinite(readAt)) return undefined;
  const found: Record<"fleet" | "host", Parameter[]> = { fleet: [], host: [] };
  for (const { of: layer, parameter } of rest) {
    const read = readParameter(parameter);
    if (read === undefined || (layer !== "fleet" && layer !== "host")) return undefined;
    if (!read.name.startsWith(`${owner[layer]}/`)) return undefined;
    found[layer].push(read);
  }
  return { set: found, readAt, memory: readMemory(head["memory"]) };
}

function readParameter(value: unknown): Parameter | undefined {
  if (!isObject(value)) return undefined;
  const { name, type, value: text, version, lastModifiedAt } = value;
  if (typeof name !== "string" || typeof type !== "string" || typeof text !== "string") {
    return undefined;
  }
  if (typeof version !== "number" || typeof lastModifiedAt !== "number") return undefined;
  return { name, type, value: text, version, lastModifiedAt };
}

/** What is not understood only costs a read more. */
function readMemory(value: unknown): RevisionMemory {
  if (!isObject(value)) return NOTHING_REMEMBERED;
  const number = (name: string) => {
    const read = value[name];
    return typeof read === "number" && Number.isFinite(read) ? read : undefined;
  };
  return {
    isSeen: value["isSeen"] === true,
    fleetVersion: number("fleetVersion"),
    hostVersion: number("hostVersion"),
    absences: number("absences") ?? 0,
    fullReadAt: number("fullReadAt") ?? 0,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
