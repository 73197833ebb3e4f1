import type { Mutation } from "./mutation.ts";

const SHARED = "unit/aws/credentials/shared-files.test.ts";
const METADATA = "unit/aws/credentials/instance-metadata.test.ts";
const CONTAINER = "unit/aws/credentials/container.test.ts";
const PROCESS = "unit/aws/credentials/process.test.ts";
const SOURCES = "unit/aws/credentials/sources.test.ts";
const STS = "unit/aws/credentials/sts.test.ts";
const RENEWAL = "unit/aws/credentials/credentials.test.ts";
const CLIENTS = "unit/aws/clients.test.ts";

/** Credentials that are there when they are needed, are nobody else's, and are told to nobody. */
export const CREDENTIALS_MUTATIONS: readonly Mutation[] = [
  {
    name: "the SDK gives out what a shared file held first",
    file: "aws/credentials/shared-files.ts",
    edits: [["    ignoreCache: true,\n", ""]],
    foundBy: [SHARED, "read again within minutes"],
  },
  {
    name: "keys of a shared file have no end",
    file: "aws/credentials/profile.ts",
    edits: [['    expiresAt: "unknown",\n', "    expiresAt: undefined,\n"]],
    foundBy: [SHARED, "read again within minutes, for ever"],
  },
  {
    name: "temporary keys are taken without their token",
    file: "aws/credentials/source.ts",
    edits: [['return accessKeyId.startsWith("ASIA") &&', "return accessKeyId === '' &&"]],
    foundBy: [SHARED, "cut before the token"],
  },
  {
    name: "instance metadata is asked without a token",
    file: "aws/credentials/instance-metadata.ts",
    edits: [["const mayGoWithout = allowV1 &&", "const mayGoWithout ="]],
    foundBy: [METADATA, "refused by version 1"],
  },
  {
    name: "a local service is asked once",
    file: "aws/credentials/local-request.ts",
    edits: [["const ATTEMPTS_MAX = 4;", "const ATTEMPTS_MAX = 1;"]],
    foundBy: [METADATA, "trouble that passes"],
  },
  {
    name: "a local service may answer never",
    file: "aws/credentials/local-request.ts",
    edits: [["const REQUEST_MS_MAX = 1_000;", "const REQUEST_MS_MAX = 1_000_000;"]],
    foundBy: [CONTAINER, 'trouble that passes: "hang"'],
  },
  {
    name: "what instance metadata has, though ended, is not used",
    file: "aws/credentials/source.ts",
    edits: [["return expiresAt > now ? expiresAt : now + STABILITY_MS;", "return expiresAt;"]],
    foundBy: [METADATA, "that have ended are used"],
  },
  {
    name: "a container's token goes anywhere",
    file: "aws/credentials/container.ts",
    edits: [['(url?.protocol === "http:" && isPlain)', '(url?.protocol === "http:" || isPlain)']],
    foundBy: [CONTAINER, "http://169.254.169.254/x"],
  },
  {
    name: "a credential process may run for ever",
    file: "aws/credentials/process.ts",
    edits: [["s`), runMsMax);", "s`), 2 ** 30);"]],
    foundBy: [PROCESS, "that does not end"],
  },
  {
    name: "a credential process is told with all its words",
    file: "aws/credentials/process.ts",
    edits: [["const name = programOf(command);", "const name = command || programOf(command);"]],
    foundBy: [PROCESS, "exit code 127"],
  },
  {
    name: "STS's answer is repeated with the secrets in it",
    file: "aws/credentials/sts.ts",
    edits: [["withoutSecrets(message, secrets)", "withoutSecrets(message, [])"]],
    foundBy: [STS, "without the token"],
  },
  {
    name: "where one source fails, the next one stands in for it",
    file: "aws/credentials/sources.ts",
    edits: [
      [
        "if (!(error instanceof CredentialsError && error.isAbsent))",
        "if (!(error instanceof CredentialsError))",
      ],
    ],
    foundBy: [SOURCES, "of nobody else"],
  },
  {
    name: "a source that is away for a moment is left",
    file: "aws/credentials/sources.ts",
    edits: [["if (isRenewal && answered !== undefined)", "if (isRenewal && answered === null)"]],
    foundBy: [SOURCES, "stay with their source"],
  },
  {
    name: "refused credentials are used again",
    file: "aws/credentials/credentials.ts",
    edits: [["    this.#isRefused = true;\n", ""]],
    foundBy: [RENEWAL, "not used again"],
  },
  {
    name: "every request asks again for credentials that are not there",
    file: "aws/credentials/credentials.ts",
    edits: [["if (this.lastError !== undefined && boot < this.#nextReadAt)", "if (boot < 0)"]],
    foundBy: [RENEWAL, "not asked for on every request"],
  },
  {
    name: "the Parameter Store's refusal renews nothing",
    file: "aws/clients.ts",
    edits: [["  ssm.middlewareStack.add(renewing(credentials), RENEWING);\n", ""]],
    foundBy: [CLIENTS, "the Parameter Store signs with new credentials"],
  },
];
