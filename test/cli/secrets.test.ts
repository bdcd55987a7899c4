/** A token is a capability: it is in no line of the log, on any level, whatever becomes of a request. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServing } from "../../src/cli/serve.ts";
import { readServeOptions } from "../../src/config/serve.ts";
import type { Token } from "../../src/discovery/cluster.ts";
import { tokenHash } from "../../src/discovery/token-hash.ts";
import { createLogger } from "../../src/lib/logger.ts";

test("a token never appears in the log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-secrets-"));
  const lines: string[] = [];
  const flags = ["--listen-http=http://127.0.0.1:0", "--listen-dns=127.0.0.1:0", `--data=${folder}`];
  const options = readServeOptions([...flags, "--log-level=debug", "--wait-timeout=1s"], {});
  if (options === undefined) throw new Error("no options");
  const serving = await startServing(
    options,
    createLogger("debug", (line) => lines.push(line)),
  );
  const [server = ""] = serving.httpAddresses;

  const url = await (await fetch(`${server}/new?size=2`)).text();
  const token = (url.split("/").at(-1) ?? "") as Token;
  expect(token).toMatch(/^[0-9a-f]{32}$/);
  const put = async (id: string, value: string): Promise<number> => {
    const body = new URLSearchParams({ value });
    return (await fetch(`${url}/${id}?prevExist=false`, { method: "PUT", body })).status;
  };
  expect(await put("ab", "a=http://10.0.0.1:2380")).toBe(201);
  expect(await put("ab", "other=http://10.0.0.1:2380")).toBe(412);
  expect(await put("ac", "malformed")).toBe(400);
  expect((await fetch(`${url}/ab?wait=true&waitIndex=1`)).status).toBe(200);
  expect((await fetch(`${url}/zz`)).status).toBe(404);
  expect((await fetch(`${url}/ab`, { method: "PATCH" })).status).toBe(405);
  expect((await fetch(`${url}?wait=true&waitIndex=99&recursive=true`)).status).toBe(200);
  expect((await fetch(`${url}/ab`, { method: "DELETE" })).status).toBe(200);
  expect((await fetch(url, { method: "DELETE" })).status).toBe(200);
  expect((await fetch(url)).status).toBe(404);
  await serving.close();
  rmSync(folder, { recursive: true });

  // The log did follow what happened, under the token's hash.
  expect(lines.filter((line) => line.includes(tokenHash(token))).length).toBeGreaterThan(0);
  expect(lines.filter((line) => line.includes(token))).toEqual([]);
});
