import { Agent, type IncomingMessage, request } from "node:http";
import type { Clock } from "../lib/clock.ts";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";

/** The service answers within milliseconds, from the machine below. */
const ANSWER_MS_MAX = 1_000;
const ATTEMPTS_MAX = 3;
/** Between two attempts; the service throttles each instance for a moment. */
const PAUSE_MS = 200;
/** Every value read here is shorter. */
const ANSWER_BYTES_MAX = 4_096;
/** As long as a start takes, and more. */
const TOKEN_SECONDS = "60";

/** The instance metadata service does not tell. `hint` says what to do about it. */
export class MetadataError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.name = "MetadataError";
    this.hint = hint;
  }
}

/** Whether the SDK's variable keeps everybody from asking the service. */
export function isMetadataDisabled(env: Readonly<Record<string, string | undefined>>): boolean {
  const text = env["AWS_EC2_METADATA_DISABLED"] ?? "";
  return text !== "" && text !== "false";
}

/**
 * Reads from the EC2 instance metadata service, version 2 only: a token first, then everything with
 * it. Version 1 answers whoever can make any program on the host send a request. The SDK's
 * variables hold: AWS_EC2_METADATA_SERVICE_ENDPOINT and AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE.
 */
export class InstanceMetadata implements Disposable {
  readonly #endpoint: URL;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #answerMsMax: number;
  /** One of its own: this must never go through a proxy of the environment. */
  readonly #connections = new Agent({ keepAlive: true });
  #token: Promise<string> | undefined;

  /** @throws MetadataError if the endpoint of the environment is none */
  constructor(options: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly answerMsMax?: number;
  }) {
    this.#endpoint = endpointOf(options.env);
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#answerMsMax = options.answerMsMax ?? ANSWER_MS_MAX;
  }

  /**
   * Reads one value.
   * @param path below `/latest/meta-data/`, such as `instance-id`
   * @returns undefined if the service says that there is no such thing
   * @throws MetadataError; the signal's reason
   */
  async read(path: string): Promise<string | undefined> {
    // Whoever got no token once gets none: the next values need not wait as long again.
    this.#token ??= this.#fetchToken();
    const token = await this.#token;
    const answer = await this.#ask("GET", `latest/meta-data/${path}`, {
      "x-aws-ec2-metadata-token": token,
    });
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return answer.text.trim();
    throw refusal(`${this.#endpoint.origin} answers ${answer.status} to ${path}`);
  }

  async #fetchToken(): Promise<string> {
    let answer: Answer;
    try {
      answer = await this.#ask("PUT", "latest/api/token", {
        "x-aws-ec2-metadata-token-ttl-seconds": TOKEN_SECONDS,
      });
    } catch (error) {
      if (!(error instanceof MetadataError)) throw error;
      throw new MetadataError(error.message, HOP_LIMIT_HINT, error);
    }
    if (answer.status === 200 && answer.text !== "") return answer.text;
    throw refusal(`${this.#endpoint.origin} answers ${answer.status} to the wish for a token`);
  }

  /** Asks until there is an answer that is none of trouble. */
  async #ask(
    method: "GET" | "PUT",
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    let trouble = "";
    let cause: unknown;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 1) await this.#clock.sleep(PAUSE_MS, this.#signal);
      try {
        const answer = await this.#askOnce(method, path, headers);
        if (answer.status < 500 && answer.status !== 429) return answer;
        trouble = `it answers ${answer.status}`;
      } catch (error) {
        this.#signal.throwIfAborted();
        cause = error;
        trouble = isErrno(error, "ABORT_ERR") ? "no answer" : (errnoOf(error) ?? messageOf(error));
      }
    }
    throw new MetadataError(
      `The instance metadata service at ${this.#endpoint.origin} does not answer (${trouble})`,
      "See whether something on the host or in its network keeps that address from it.",
      cause,
    );
  }

  async #askOnce(
    method: "GET" | "PUT",
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const url = new URL(path, this.#endpoint);
    const asked = request(url, {
      method,
      headers,
      agent: this.#connections,
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(this.#answerMsMax)]),
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      collect(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    asked.end();
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#connections.destroy();
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const HOP_LIMIT_HINT =
  "In a container, or behind a bridge, the answer with the token is lost on the way while the instance's hop limit is 1: aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2. Or say `hostId`, `fleet` and `region` in the bootstrap file: then nobody asks.";

function refusal(message: string): MetadataError {
  return new MetadataError(
    `The instance metadata service at ${message}`,
    "See whether the instance's metadata options allow it: aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled.",
  );
}

async function collect(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (text.length > ANSWER_BYTES_MAX) throw new Error("its answer is too long");
  }
  return text;
}

function endpointOf(env: Readonly<Record<string, string | undefined>>): URL {
  const isIpv6 = env["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]?.toLowerCase() === "ipv6";
  const text =
    env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ||
    (isIpv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:") return url;
  throw new MetadataError(
    `AWS_EC2_METADATA_SERVICE_ENDPOINT is no address of HTTP: ${text}`,
    "Write it as http://ADDRESS, or take the variable away.",
  );
}
