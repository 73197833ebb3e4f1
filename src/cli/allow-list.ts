import { resolve } from "node:path";
import { AgentError, configurationError } from "../lib/errors.ts";
import { isBelow } from "../sweep/watched-directory.ts";
import { lookAtRoot, type OwnPlaces, type RootPlace, refusalOf } from "./allowed-directory.ts";

/** What becomes of a list of allowed roots, and what a person should know of it. */
export interface ListChange {
  readonly add: readonly string[];
  /** Items as they stand on the list. */
  readonly remove: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Puts directories on a list of allowed roots; those that lie below a root are allowed already.
 * @param asked absolute
 * @param own the agent's own places, which no root may hold
 * @throws AgentError (exit code 2) for the first one that is refused
 */
export async function toAllow(
  asked: readonly string[],
  roots: readonly string[],
  own: OwnPlaces,
): Promise<ListChange> {
  const listed = await placesOf(roots);
  const add: string[] = [];
  const notes: string[] = [];
  for (const path of asked) {
    const place = await lookAtRoot(path);
    const refusal = refusalOf(place, own);
    if (refusal !== undefined) throw refusal;
    const above = listed.find((root) => isBelow(place.realPath, root.realPath));
    if (above !== undefined) {
      const by = above.realPath === place.realPath ? "" : `: it lies below ${above.path}`;
      notes.push(`${path} is allowed already${by}.`);
      continue;
    }
    listed.push({ ...place, item: path });
    add.push(path);
  }
  return { add, remove: [], notes };
}

/**
 * Takes directories from a list of allowed roots.
 * @param asked absolute
 * @throws AgentError (exit code 2) if none would be left
 */
export async function toDisallow(
  asked: readonly string[],
  roots: readonly string[],
): Promise<ListChange> {
  const listed = await placesOf(roots);
  const remove = new Set<string>();
  const notes: string[] = [];
  for (const path of asked) {
    const [place] = await placesOf([path]);
    const isSame = ({ path: listedAs, realPath }: RootPlace) =>
      listedAs === path || realPath === place?.realPath;
    const found = listed.filter(isSame);
    for (const { item } of found) remove.add(item);
    const above = listed.find(({ realPath, item }) => {
      return !remove.has(item) && place !== undefined && isBelow(place.realPath, realPath);
    });
    if (found.length === 0) notes.push(`${path} is not on the list of allowed roots.`);
    if (above !== undefined) notes.push(`${path} stays allowed: it lies below ${above.path}.`);
  }
  if (remove.size > 0 && roots.every((root) => remove.has(root))) {
    throw configurationError(
      `No allowed root would be left without ${[...remove].join(", ")}.`,
      "Allow another directory first, or stop the agent: systemctl disable --now s3-offload-agent.",
    );
  }
  return { add: [], remove: [...remove], notes };
}

/** Items that cannot be looked at are themselves all that is known of them. */
async function placesOf(
  items: readonly string[],
): Promise<(RootPlace & { readonly item: string })[]> {
  return await Promise.all(
    items.map(async (item) => {
      const path = resolve("/", item);
      const place = await lookAtRoot(path).catch((error: unknown) => {
        if (!(error instanceof AgentError)) throw error;
        return { path, realPath: path, exists: false, isDirectory: false, strangeLink: undefined };
      });
      return { ...place, item };
    }),
  );
}
