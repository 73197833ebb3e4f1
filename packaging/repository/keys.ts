import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentError, configurationError } from "../../src/lib/errors.ts";
import { runTool, toolError, tryTool } from "./tool.ts";

/** The variable with the passphrase of the keys, where no gpg-agent knows it. */
export const PASSPHRASE_VARIABLE = "REPOSITORY_KEY_PASSPHRASE";

/** The keys that sign, ready to. */
export interface Keys extends AsyncDisposable {
  /** Fingerprints of the primary keys, in the order given. */
  readonly fingerprints: readonly string[];
  /** Notes for a person: keys that end soon. */
  readonly notes: readonly string[];
  /** Text with the signatures of all keys in it, as InRelease is. */
  signClear(text: string): Promise<Buffer>;
  /** Detached signatures in armor, by all keys or by the first one alone. */
  signDetached(data: Buffer, by: "all" | "first"): Promise<Buffer>;
  /** Signs an RPM in its place with the first key. */
  signRpm(path: string): Promise<void>;
  /** The public keys, in binary form; `extra` are such keys to add, `without` fingerprints to leave out. */
  publicKeys(extra: Buffer, without: readonly string[]): Promise<PublicKeys>;
}

export interface PublicKeys {
  readonly binary: Buffer;
  readonly armored: Buffer;
}

/** A home of gpg, and what to say to each gpg there. */
interface Home {
  readonly env: Readonly<Record<string, string>>;
  readonly passphrase: readonly string[];
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Keys that end within so many days are worth a note: clients refuse what an ended key signed. */
const NOTE_DAYS = 90;
const DAY_MS = 86_400_000;

/**
 * Finds and tries all keys before anything is written.
 * @param names files with one secret key each, or names of keys in the caller's GNUPGHOME
 * @throws AgentError (exit code 2) if one is missing, has ended, cannot sign, or wants a passphrase
 *   that nobody gives
 */
export async function openKeys(options: {
  readonly names: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly now: Date;
  readonly signal: AbortSignal;
}): Promise<Keys> {
  const { names, env, now, signal } = options;
  const areFiles = await Promise.all(names.map(isFile));
  if (new Set(areFiles).size > 1) {
    throw configurationError(
      "--key was given both files and keys of the keyring.",
      "Import the files into the keyring (gpg --import), or export the keys to files.",
    );
  }
  await using stack = new AsyncDisposableStack();
  // gpg puts sockets there, whose names have at most 107 bytes.
  const directory = await mkdtemp(join(env["XDG_RUNTIME_DIR"] || tmpdir(), "s3oa-keys-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o700);
  const own = join(directory, "gnupg");
  await mkdir(own, { mode: 0o700 });
  // Its agent would stay behind, and it may be put into the caller's own home for a key of a file.
  stack.defer(async () => void (await tryTool("gpgconf", ["--homedir", own, "--kill", "all"])));

  const fromFiles = areFiles[0] === true;
  const home: Home = {
    env: {
      GNUPGHOME: fromFiles ? own : env["GNUPGHOME"] || join(homedir(), ".gnupg"),
      // What the caller's ~/.rpmmacros says of keys is for other packages.
      HOME: directory,
    },
    passphrase: await passphraseArguments(directory, env[PASSPHRASE_VARIABLE]),
    directory,
    signal,
  };
  const found: Key[] = [];
  for (const name of names) {
    const key = await findKey(home, fromFiles ? await importKey(home, name) : name, name, now);
    await trySigning(home, key, name);
    found.push(key);
  }
  const fingerprints = found.map((one) => one.fingerprint);
  if (new Set(fingerprints).size < fingerprints.length) {
    throw configurationError("--key was given one key twice.", "Name each key once.");
  }
  const owned = stack.move();
  return {
    fingerprints,
    notes: found.flatMap((one) => endNotes(one, now)),
    signClear: (text) => sign(home, ["--clearsign"], fingerprints, Buffer.from(text)),
    signDetached: (data, by) => {
      const signers = by === "all" ? fingerprints : fingerprints.slice(0, 1);
      return sign(home, ["--detach-sign", "--armor"], signers, data);
    },
    signRpm: (path) => signRpm(home, fingerprints[0] ?? "", path),
    publicKeys: (extra, without) => publicKeys(home, fingerprints, extra, without),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function isFile(name: string): Promise<boolean> {
  const stats = await stat(name).catch(() => undefined);
  return stats?.isFile() === true;
}

/** Without a passphrase gpg must not ask anybody: it would wait for ever where nobody is. */
async function passphraseArguments(directory: string, passphrase: string | undefined) {
  if (passphrase === undefined || passphrase === "") return ["--pinentry-mode", "error"];
  const path = join(directory, "passphrase");
  await writeFile(path, `${passphrase}\n`, { mode: 0o600 });
  return ["--pinentry-mode", "loopback", "--passphrase-file", path];
}

/** @returns the fingerprint of the one secret key in a file, which is in the keyring then. */
async function importKey(home: Home, path: string): Promise<string> {
  const { status, stdout, stderr } = await gpg(home, ["--status-fd", "1", "--import", path]);
  // GnuPG's doc/DETAILS: IMPORT_OK <reason> <fingerprint>, where 16 says "contains private key".
  const found = [...stdout.toString().matchAll(/^\[GNUPG:\] IMPORT_OK (\d+) ([0-9A-F]+)$/gm)];
  const secret = found.filter(([, reason]) => (Number(reason) & 16) !== 0);
  const [first] = secret;
  if (first?.[2] === undefined) {
    if (found.length === 0 || status !== 0) {
      const why = stderr.trim().replace(/\.$/, "").split("\n").at(-1) ?? "";
      throw configurationError(`${path} holds no key that gpg can read: ${why}.`, EXPORT_HINT);
    }
    throw configurationError(`${path} holds a public key only.`, EXPORT_HINT);
  }
  if (secret.length > 1) {
    throw configurationError(
      `${path} holds ${secret.length} secret keys.`,
      "Export each to a file of its own, and give --key for each that is to sign.",
    );
  }
  return first[2];
}

const EXPORT_HINT = "Make the file by: gpg --armor --export-secret-keys FINGERPRINT > FILE";

interface Key {
  readonly fingerprint: string;
  /** Undefined: never. */
  readonly endsAt: Date | undefined;
}

async function findKey(home: Home, id: string, name: string, now: Date): Promise<Key> {
  const listing = await gpg(home, ["--with-colons", "--list-secret-keys", "--", id]);
  // GnuPG's doc/DETAILS, "Format of the colon listings".
  const records = listing.stdout.toString().split("\n");
  const lines = records.map((line) => line.split(":"));
  const primaries = lines.filter(([type]) => type === "sec");
  const [sec] = primaries;
  const fingerprint = lines.find(([type]) => type === "fpr")?.[9];
  if (sec === undefined || fingerprint === undefined) {
    throw configurationError(
      `There is no secret key ${name} in ${home.env["GNUPGHOME"]}, and no such file.`,
      "See gpg --list-secret-keys, set GNUPGHOME, or give a file with the key.",
    );
  }
  if (primaries.length > 1) {
    throw configurationError(
      `${primaries.length} secret keys answer to ${name}.`,
      "Give the fingerprint: gpg --list-secret-keys",
    );
  }
  const endsAt = sec[6] === "" || sec[6] === undefined ? undefined : new Date(Number(sec[6]) * 1e3);
  if (endsAt !== undefined && endsAt <= now) {
    throw configurationError(
      `The key ${fingerprint} expired on ${dayOf(endsAt)}.`,
      `Make it live longer (gpg --quick-set-expire ${fingerprint} 2y) and hand the public key to all hosts again, or sign with another one.`,
    );
  }
  if (sec[1] === "r" || sec[1] === "d") {
    throw configurationError(
      `The key ${fingerprint} is ${sec[1] === "r" ? "revoked" : "disabled"}.`,
      "Sign with another one.",
    );
  }
  // Capital letters: what the key as a whole, with its subkeys, can do now.
  if (!sec[11]?.includes("S")) {
    throw configurationError(
      `The key ${fingerprint} cannot sign.`,
      `Add a subkey that can (gpg --quick-add-key ${fingerprint} rsa4096 sign), or give another key.`,
    );
  }
  return { fingerprint, endsAt };
}

async function trySigning(home: Home, { fingerprint }: Key, name: string): Promise<void> {
  const tried = await gpg(home, [...home.passphrase, "-u", fingerprint, "--detach-sign"], "try");
  if (tried.status === 0) return;
  const error = (what: string): AgentError =>
    configurationError(
      what,
      `Set ${PASSPHRASE_VARIABLE}, or let the gpg-agent of your GNUPGHOME learn it first: gpg -u ${fingerprint} --sign </dev/null >/dev/null`,
    );
  if (/No pinentry|Inappropriate ioctl|Operation cancelled/i.test(tried.stderr)) {
    throw error(`The key ${name} needs a passphrase.`);
  }
  if (/Bad passphrase/i.test(tried.stderr)) {
    throw error(`The passphrase of the key ${name} is another one than ${PASSPHRASE_VARIABLE}.`);
  }
  throw toolError(`The key ${name} does not sign`, tried.stderr);
}

function endNotes({ fingerprint, endsAt }: Key, now: Date): string[] {
  if (endsAt === undefined || endsAt.getTime() - now.getTime() > NOTE_DAYS * DAY_MS) return [];
  return [`the key ${fingerprint} expires on ${dayOf(endsAt)}; hosts refuse what it signed then`];
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function gpg(home: Home, args: readonly string[], input: string | Buffer = "") {
  const common = ["--batch", "--no-tty", "--quiet", "--no-auto-check-trustdb"];
  return tryTool("gpg", [...common, ...args], { env: home.env, input, signal: home.signal });
}

async function sign(
  home: Home,
  mode: readonly string[],
  fingerprints: readonly string[],
  data: Buffer,
): Promise<Buffer> {
  const signers = fingerprints.flatMap((one) => ["-u", one]);
  const args = [...home.passphrase, "--digest-algo", "SHA512", ...signers, ...mode];
  const { status, stdout, stderr } = await gpg(home, args, data);
  if (status !== 0) throw toolError("gpg does not sign", stderr);
  return stdout;
}

async function signRpm(home: Home, fingerprint: string, path: string): Promise<void> {
  const program = (await runTool("sh", ["-c", "command -v gpg"])).toString().trim();
  const macros = {
    _gpg_name: fingerprint,
    // rpm's own default names a program that Debian does not have.
    __gpg: program,
    _gpg_digest_algo: "sha256",
    _gpg_sign_cmd_extra_args: ["--batch", "--no-tty", ...home.passphrase].join(" "),
  };
  const defines = Object.entries(macros).flatMap(([name, value]) => ["-D", `${name} ${value}`]);
  const { env, signal } = home;
  await runTool("rpmsign", [...defines, "--addsign", path], { env, signal });
}

async function publicKeys(
  home: Home,
  fingerprints: readonly string[],
  extra: Buffer,
  without: readonly string[],
): Promise<PublicKeys> {
  const { signal } = home;
  const own = await gpg(home, ["--export-options", "export-minimal", "--export", ...fingerprints]);
  if (own.status !== 0 || own.stdout.length === 0) {
    throw toolError("gpg does not export the public keys", own.stderr);
  }
  // A keyring of its own, so that nothing is added to the caller's. It keeps the order of imports.
  const ring = join(home.directory, "ring");
  await rm(ring, { recursive: true, force: true });
  await mkdir(ring, { mode: 0o700 });
  const env = { ...home.env, GNUPGHOME: ring };
  const at = (args: readonly string[], input: string | Buffer = "") =>
    runTool("gpg", ["--batch", "--no-tty", "--quiet", "--no-autostart", ...args], {
      env,
      input,
      signal,
    });
  await at(["--import"], own.stdout);
  if (extra.length > 0) await at(["--import"], extra);
  for (const fingerprint of without) await at(["--yes", "--delete-keys", fingerprint]);
  // All in one block of armor: apt reads no second one.
  return {
    binary: await at(["--export-options", "export-minimal", "--export"]),
    armored: await at(["--export-options", "export-minimal", "--armor", "--export"]),
  };
}
