import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An instance metadata service on loopback. */
export interface FakeMetadata extends AsyncDisposable {
  readonly endpoint: string;
  /** The variables that make a program ask it, and nobody else. */
  readonly env: Readonly<Record<string, string>>;
  /** Every request, as `GET /latest/meta-data/instance-id`. */
  readonly requests: readonly string[];
  /** Values by their path below `/latest/meta-data/`. May be changed. */
  readonly values: Map<string, string>;
  /** How the next requests are met; each is used once. */
  readonly faults: ("silence" | "disconnect" | number)[];
}

/**
 * Starts a metadata service that insists on version 2 as the documents have it: a token by PUT with
 * a lifetime of 1 to 21,600 seconds, without which everything is 401; a PUT with X-Forwarded-For is
 * 403 (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).
 */
export async function startFakeMetadata(
  initial: Readonly<Record<string, string>> = {},
): Promise<FakeMetadata> {
  const requests: string[] = [];
  const faults: FakeMetadata["faults"] = [];
  const values = new Map(Object.entries(initial));
  const tokens = new Set<string>();

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(`${request.method} ${request.url}`);
    const fault = faults.shift();
    if (fault === "silence") return;
    if (fault === "disconnect") {
      request.socket.destroy();
      return;
    }
    const [status, text] = fault === undefined ? serve(request) : [fault, ""];
    response.writeHead(status, { "content-type": "text/plain" }).end(text);
  };
  const serve = (request: IncomingMessage): readonly [number, string] => {
    const url = request.url ?? "";
    if (url === "/latest/api/token") {
      if (request.method !== "PUT") return [405, ""];
      if ("x-forwarded-for" in request.headers) return [403, ""];
      const seconds = Number(request.headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (!(seconds >= 1 && seconds <= 21_600)) return [400, ""];
      const token = `token-${tokens.size}`;
      tokens.add(token);
      return [200, token];
    }
    if (!tokens.has(`${request.headers["x-aws-ec2-metadata-token"]}`)) return [401, ""];
    const value = values.get(decodeURIComponent(url.replace("/latest/meta-data/", "")));
    return value === undefined ? [404, ""] : [200, value];
  };

  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint },
    requests,
    values,
    faults,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
