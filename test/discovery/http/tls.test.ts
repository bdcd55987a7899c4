/** HTTPS: certificates that change under a running service, and clients that must show one. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { openTls, type TlsFiles, type TlsSource } from "../../../src/discovery/http/tls.ts";
import { EnvironmentError } from "../../../src/lib/errors.ts";
import { createLogger } from "../../../src/lib/logger.ts";
import { HAS_OPENSSL, type Issued, makeAuthority, type TestAuthority } from "./certificates.ts";
import { openServer, type ServerHarness } from "./socket.ts";

/** Looks at the files when the test says so, and never by itself. */
const NEVER_MS = 2 ** 30;

function open(files: Partial<TlsFiles> & Issued): { tls: TlsSource; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger("info", (line) => lines.push(line));
  const tls = openTls({ trustedCaFile: undefined, ...files }, logger, NEVER_MS);
  onTestFinished(() => tls.close());
  return { tls, lines };
}

/** The common name that a new connection is shown. */
async function shownName(harness: ServerHarness, authority: TestAuthority): Promise<string> {
  const wire = await harness.connect({ ca: readFileSync(authority.caFile) });
  const { CN } = (wire.socket as TLSSocket).getPeerCertificate().subject;
  return String(CN);
}

describe.skipIf(!HAS_OPENSSL)("with certificates (needs openssl)", () => {
  test("requests and URLs are https", async () => {
    const authority = makeAuthority();
    const { tls } = open(authority.issue("one"));
    const harness = await openServer({}, { tls });
    const wire = await harness.connect({ ca: readFileSync(authority.caFile) });
    wire.write("GET /new HTTP/1.1\r\nHost: d.test:8087\r\n\r\n");
    expect(await wire.until(/https:\S+\/[0-9a-f]{32}$/)).toMatch(
      /\r\n\r\nhttps:\/\/d\.test:8087\/[0-9a-f]{32}$/,
    );
    expect(harness.url).toMatch(/^https:/);
  });

  test("a renewed certificate is used for new connections, and old ones live on", async () => {
    const authority = makeAuthority();
    const [one, two] = [authority.issue("one"), authority.issue("two")];
    const { tls, lines } = open(one);
    const harness = await openServer({}, { tls });
    const old = await harness.connect({ ca: readFileSync(authority.caFile) });
    expect(await shownName(harness, authority)).toBe("one");
    // The key arrives after the certificate: in between the two do not fit, and nothing changes.
    renameSync(two.certFile, one.certFile);
    await tls.check();
    await tls.check();
    expect(await shownName(harness, authority)).toBe("one");
    expect(lines.filter((line) => line.includes("the old ones stay in use"))).toHaveLength(1);
    renameSync(two.keyFile, one.keyFile);
    await tls.check();
    expect(await shownName(harness, authority)).toBe("two");
    old.write("GET /version HTTP/1.1\r\nHost: q\r\n\r\n");
    expect(await old.until(/\}$/)).toContain("200 OK");
    const before = lines.length;
    await tls.check();
    expect(lines).toHaveLength(before);
  });

  test("a symlink that is swapped, as Kubernetes updates a secret", async () => {
    const authority = makeAuthority();
    const at = (...parts: string[]): string => join(authority.folder, ...parts);
    for (const name of ["one", "two"]) {
      const issued = authority.issue(name);
      mkdirSync(at(`data-${name}`));
      copyFileSync(issued.certFile, at(`data-${name}`, "tls.crt"));
      copyFileSync(issued.keyFile, at(`data-${name}`, "tls.key"));
    }
    symlinkSync("data-one", at("..data"));
    symlinkSync("..data/tls.crt", at("tls.crt"));
    symlinkSync("..data/tls.key", at("tls.key"));
    const { tls } = open({ certFile: at("tls.crt"), keyFile: at("tls.key") });
    const harness = await openServer({}, { tls });
    expect(await shownName(harness, authority)).toBe("one");
    symlinkSync("data-two", at("..data.new"));
    renameSync(at("..data.new"), at("..data"));
    await tls.check();
    expect(await shownName(harness, authority)).toBe("two");
  });

  test("the files are looked at without being asked", async () => {
    const authority = makeAuthority();
    const [one, two] = [authority.issue("one"), authority.issue("two")];
    const changed: string[] = [];
    const tls = openTls(
      { ...one, trustedCaFile: undefined },
      createLogger("error", () => undefined),
      5,
    );
    onTestFinished(() => tls.close());
    tls.onChange(({ cert }) => changed.push(cert));
    copyFileSync(two.keyFile, one.keyFile);
    copyFileSync(two.certFile, one.certFile);
    await expect.poll(() => changed, { interval: 5 }).toEqual([readFileSync(two.certFile, "utf8")]);
  });

  test("files that vanish, or become nonsense, leave the old certificate in use", async () => {
    const authority = makeAuthority();
    const one = authority.issue("one");
    const { tls, lines } = open(one);
    const harness = await openServer({}, { tls });
    renameSync(one.certFile, `${one.certFile}.away`);
    await tls.check();
    writeFileSync(one.certFile, "nonsense");
    await tls.check();
    expect(await shownName(harness, authority)).toBe("one");
    expect(lines.filter((line) => line.includes('"level":"error"'))).toHaveLength(2);
  });

  test("--client-cert-auth: only clients of the trusted authority are heard", async () => {
    const [authority, stranger] = [makeAuthority(), makeAuthority()];
    const { tls } = open({ ...authority.issue("server"), trustedCaFile: authority.caFile });
    const harness = await openServer({}, { tls });
    const ask = async (issued: Issued | undefined): Promise<string> => {
      const own =
        issued === undefined
          ? {}
          : { cert: readFileSync(issued.certFile), key: readFileSync(issued.keyFile) };
      const wire = await harness.connect({ ca: readFileSync(authority.caFile), ...own });
      wire.write("GET /version HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n");
      return wire.closed;
    };
    expect(await ask(authority.issue("client"))).toContain("200 OK");
    expect(await ask(undefined)).toBe("");
    expect(await ask(stranger.issue("client"))).toBe("");
  });

  test("plain HTTP on the TLS port harms nobody", async () => {
    const authority = makeAuthority();
    const { tls } = open(authority.issue("one"));
    const harness = await openServer({}, { tls });
    const plain = await harness.connect();
    plain.write("GET /version HTTP/1.1\r\nHost: q\r\n\r\n");
    await plain.closed;
    expect(await shownName(harness, authority)).toBe("one");
  });

  test("a certificate and a key that do not fit are refused at the start", () => {
    const authority = makeAuthority();
    const [one, two] = [authority.issue("one"), authority.issue("two")];
    expect(() => open({ certFile: one.certFile, keyFile: two.keyFile })).toThrow(EnvironmentError);
    expect(() => open({ certFile: one.certFile, keyFile: two.keyFile })).toThrow(
      /two\.key: this key does not belong to the certificate in \S+one\.pem/,
    );
  });

  test("a file without a certificate or key is refused at the start: nobody could connect", () => {
    const { issue, folder } = makeAuthority();
    const one = issue("one");
    const empty = join(folder, "empty.pem");
    writeFileSync(empty, "");
    expect(() => open({ ...one, certFile: empty })).toThrow(/empty\.pem: it holds no certificate/);
    expect(() => open({ ...one, keyFile: empty })).toThrow(/empty\.pem: it holds no private key/);
    expect(() => open({ ...one, trustedCaFile: empty })).toThrow(/empty\.pem: it holds no certificate/);
  });

  test("a file that is found empty, in the middle of being written, changes nothing", async () => {
    const authority = makeAuthority();
    const one = authority.issue("one");
    const { tls, lines } = open(one);
    const harness = await openServer({}, { tls });
    writeFileSync(one.certFile, "");
    await tls.check();
    expect(await shownName(harness, authority)).toBe("one");
    expect(lines.join("")).toContain("the old ones stay in use");
  });

  test("a certificate that has expired is served, and the log says so", () => {
    const authority = makeAuthority();
    const { lines } = open(authority.issue("late", -1));
    expect(lines.join("")).toMatch(/the certificate is not valid now.*"not-after":"\d{4}-/);
  });
});

test("a certificate file that is not there is named", () => {
  expect(() => open({ certFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem" })).toThrow(
    "cannot read a certificate file: ENOENT: no such file or directory, open '/nowhere/cert.pem'",
  );
});
