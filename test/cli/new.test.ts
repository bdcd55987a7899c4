import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Outcome, quorate, serveHttp } from "./support/command.ts";

const URL_GIVEN = "https://discovery.example.com/0123456789abcdef0123456789abcdef";

/** Runs `quorate new` against a service that answers like this; `asked` is what it was asked. */
async function against(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  ...args: readonly string[]
): Promise<Outcome & { readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const { url, close } = await serveHttp((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  try {
    return { ...(await quorate(["new", "--server", url, ...args])), asked };
  } finally {
    close();
  }
}

test("prints the URL and nothing else", async () => {
  const { code, stdout, stderr, asked } = await against((_request, response) => response.end(URL_GIVEN));
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${URL_GIVEN}\n`, stderr: "" });
  expect(asked).toEqual(["POST /new?size=3"]);
});

test("asks for what was asked of it", async () => {
  const { asked } = await against(
    (_request, response) => response.end(URL_GIVEN),
    "--size=5",
    "--domain=example.com",
    "--member=infra0=http://10.0.1.10:2380",
    "--member=infra1=http://10.0.1.11:2380",
  );
  expect(asked).toEqual([
    "POST /new?size=5&member=infra0%3Dhttp%3A%2F%2F10.0.1.10%3A2380&member=infra1%3Dhttp%3A%2F%2F10.0.1.11%3A2380&domain=example.com",
  ]);
});

test("the service may be named by a variable, and live below a path", async () => {
  const asked: string[] = [];
  const { url, close } = await serveHttp((request, response) => {
    asked.push(request.url ?? "");
    response.end(URL_GIVEN);
  });
  const { code } = await quorate(["new"], {
    env: { QUORATE_SERVER: `${url}/discovery/`, QUORATE_SIZE: "7" },
  });
  close();
  expect(code).toBe(0);
  expect(asked).toEqual(["/discovery/new?size=7"]);
});

test("a warning goes to standard error", async () => {
  const { stdout, stderr } = await against((_request, response) =>
    response
      .writeHead(200, { "X-Quorate-Warning": "size 4 tolerates no more failures than 3" })
      .end(URL_GIVEN),
  );
  expect(stdout).toBe(`${URL_GIVEN}\n`);
  expect(stderr).toBe("quorate: warning: size 4 tolerates no more failures than 3\n");
});

describe("fails with one line", () => {
  test("with the service's own sentence", async () => {
    const outcome = await against(
      (_request, response) => response.writeHead(400).end("size is 99; this service allows 1 to 9\n"),
      "--size=99",
    );
    expect(outcome).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "quorate: the service refused with 400: size is 99; this service allows 1 to 9\n",
    });
  });

  test("when there were too many requests", async () => {
    const outcome = await against((_request, response) =>
      response.writeHead(429, { "Retry-After": "7" }).end("too many"),
    );
    expect(outcome.stderr).toBe("quorate: the service refused with 429: too many (Retry-After: 7)\n");
  });

  test.each([
    [200, "<html>It works!</html>"],
    [404, "404 page not found"],
  ])("when %i %j answers, which is no discovery service", async (status, body) => {
    const { code, stdout, stderr } = await against((_request, response) =>
      response.writeHead(status).end(body),
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      new RegExp(
        `^quorate: http://127\\.0\\.0\\.1:\\d+ is not a discovery service, or .*: /new answered ${status}: ${body}\n$`,
      ),
    );
  });

  test("when nobody listens", async () => {
    const { url, close } = await serveHttp(() => {});
    close();
    expect(await quorate(["new", "--server", url])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `quorate: cannot reach ${url}: connection refused; is the service running there?\n`,
    });
  });

  test("when no answer comes in time", async () => {
    const outcome = await against(() => {}, "--timeout", "50ms");
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^quorate: cannot reach http:\S+: no answer within 0\.05s\n$/);
  });

  test("when the CA file cannot be read", async () => {
    const { code, stderr } = await quorate(["new", "--ca-file", "/no/such/ca.pem"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^quorate: cannot read \/no\/such\/ca\.pem: ENOENT[^\n]*\n$/);
  });

  test.each([
    [["--server", "discovery.example.com"], "expected a URL such as https://discovery.example.com"],
    [["--size", "0"], "expected a whole number from 1 to 1000"],
    [["--cert-file", "x.pem"], "--cert-file and --key-file go together"],
  ])("%j is bad usage", async (args, message) => {
    const { code, stderr } = await quorate(["new", ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^quorate: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});
