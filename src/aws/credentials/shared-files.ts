import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { loadSharedConfigFiles } from "@smithy/core/config";
import { errnoOf } from "../../lib/errors.ts";
import { CredentialsError } from "../errors.ts";
import type { Environment } from "./source.ts";

/** The keys of a profile. */
export type Profile = Readonly<Record<string, string | undefined>>;

/** The shared files as they are now. */
export interface SharedFiles {
  /** Their paths, with the error of each that could not be read, for a person. */
  readonly told: string;
  /** A profile: what both files say, the credentials file last. Undefined: in neither. */
  profile(name: string): Profile | undefined;
  /** The file that holds a profile's keys, for a person. */
  pathOf(name: string): string;
}

/**
 * Reads the shared files by the SDK's parser, which forgives a file that cannot be read: we ask
 * first, to be able to say so.
 * @param file this credentials file and no other; undefined: the two of the SDKs
 * @throws CredentialsError if `file` cannot be read
 */
export async function readSharedFiles(
  env: Environment,
  file: string | undefined,
): Promise<SharedFiles> {
  const credentialsPath =
    file ?? pathFrom(env, env["AWS_SHARED_CREDENTIALS_FILE"], ".aws/credentials");
  const configPath =
    file === undefined ? pathFrom(env, env["AWS_CONFIG_FILE"], ".aws/config") : undefined;
  const told: string[] = [];
  for (const path of [credentialsPath, configPath]) {
    if (path === undefined) continue;
    const code = await unreadable(path);
    told.push(code === undefined ? path : `${path} (${code})`);
    if (code !== undefined && file !== undefined) throw cannotRead(path, code);
  }
  const { configFile, credentialsFile } = await loadSharedConfigFiles({
    filepath: credentialsPath,
    configFilepath: configPath ?? "/dev/null",
    // The SDK would keep what it read first for ever.
    ignoreCache: true,
  });
  return {
    told: told.join(" or "),
    profile(name) {
      const [config, credentials] = [configFile[name], credentialsFile[name]];
      if (config === undefined && credentials === undefined) return undefined;
      return { ...config, ...credentials };
    },
    pathOf: (name) =>
      configPath !== undefined && credentialsFile[name] === undefined
        ? configPath
        : credentialsPath,
  };
}

/** Why a file cannot be read; undefined: it can. */
async function unreadable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? "unreadable";
  }
}

function cannotRead(path: string, code: string): CredentialsError {
  return new CredentialsError(
    `The credentials file ${path} cannot be read: ${code}.`,
    code === "EACCES"
      ? "Give the agent's user leave for the file and for the folders above it; amazon-ssm-agent writes it for root alone."
      : "Check the path, and that what writes the file (such as amazon-ssm-agent) is running.",
  );
}

function pathFrom(env: Environment, named: string | undefined, usual: string): string {
  const home = env["HOME"] || homedir();
  if (!named) return `${home}/${usual}`;
  return named.startsWith("~/") ? `${home}/${named.slice(2)}` : named;
}
