/** `quorate new` and `quorate discover` at a service with a private authority that admits only its own clients. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { findProgram } from "./support/binaries.ts";
import { makeAuthority } from "./support/certificates.ts";
import { freePort, type Lab, openLab } from "./support/lab.ts";

const QUORATE = join(import.meta.dirname, "../../bin/quorate");

async function quorate(lab: Lab, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const { code, output } = await lab.run(QUORATE, args);
  return { code, output: output.trim() };
}

test("a client shows its certificate and trusts the service's, or is told what is missing", async (context) => {
  const [lab] = openLab(context, findProgram("openssl"));
  const authority = await makeAuthority(lab);
  const own = await authority.issue("service", ["IP:127.0.0.1"]);
  const client = await authority.issue("client", ["DNS:client"]);
  const elsewhere = await authority.issue("elsewhere", ["DNS:elsewhere.test"]);
  const start = async (certificate: typeof own, ...more: string[]): Promise<string> => {
    const url = `https://127.0.0.1:${await freePort()}`;
    const flags = ["--listen-http", url, "--listen-dns=", "--data", join(lab.dir, `data-${url.slice(-5)}`)];
    const files = ["--cert-file", certificate.cert, "--key-file", certificate.key];
    const service = lab.start("quorate", QUORATE, ["serve", ...flags, ...files, ...more]);
    await service.says(/ready to serve discovery requests/);
    return url;
  };
  const url = await start(own, "--client-cert-auth", "--trusted-ca-file", authority.ca);
  const trusting = ["--ca-file", authority.ca];
  const known = [...trusting, "--cert-file", client.cert, "--key-file", client.key];

  const token = await quorate(lab, "new", "--server", url, "--size", "3", ...known);
  expect(token).toEqual({
    code: 0,
    output: expect.stringMatching(new RegExp(`^${url}/[0-9a-f]{32}$`)) as string,
  });
  const alone = await quorate(lab, "new", "--server", url, "--size", "1", ...known);
  const one = alone.output.split("\n").at(-1) ?? "";
  const member = ["--token-url", one, "--name", "a", "--peer-url", "https://10.0.0.1:2380"];
  const printed = await quorate(lab, "discover", ...member, ...known);
  expect(printed.code).toBe(0);
  expect(printed.output).toContain("ETCD_INITIAL_CLUSTER=a=https://10.0.0.1:2380");

  expect(await quorate(lab, "new", "--server", url)).toEqual({
    code: 1,
    output: `quorate: cannot reach ${url}: its certificate's authority is unknown here; give it with --ca-file`,
  });
  expect(await quorate(lab, "new", "--server", url, ...trusting)).toEqual({
    code: 1,
    output: `quorate: cannot reach ${url}: the connection closed before the whole answer was there; does it want a client certificate (--cert-file, --key-file)?`,
  });
  const misnamed = await start(elsewhere);
  expect(await quorate(lab, "new", "--server", misnamed, ...trusting)).toEqual({
    code: 1,
    output: `quorate: cannot reach ${misnamed}: its certificate is for another name`,
  });
  const garbage = await quorate(lab, "new", "--server", url, "--ca-file", QUORATE);
  expect(garbage.code).toBe(1);
  expect(garbage.output).toMatch(/^quorate: [^\n]+$/);
});
