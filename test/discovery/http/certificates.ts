/** Certificates for one test, made by openssl. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Tests that need certificates say so where this is not installed. */
export const HAS_OPENSSL: boolean = spawnSync("openssl", ["version"]).status === 0;

export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TestAuthority {
  readonly folder: string;
  readonly caFile: string;
  /**
   * A certificate for 127.0.0.1, good for servers and clients.
   * @param name Its common name. @param days Until it expires; negative: since.
   */
  readonly issue: (name: string, days?: number) => Issued;
}

export function makeAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), "quorate-tls-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): Buffer => execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["-keyout", file("ca.key"), "-out", file("ca.pem")];
  openssl("req", "-x509", ...newKey, "-subj", "/CN=test authority", "-days", "2", ...ca);
  writeFileSync(file("ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  return {
    folder,
    caFile: file("ca.pem"),
    issue(name, days = 2) {
      const [key, csr, cert] = [file(`${name}.key`), file(`${name}.csr`), file(`${name}.pem`)];
      openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", key, "-out", csr);
      const signing = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"];
      const life = ["-days", String(days), "-extfile", file("ext")];
      openssl("x509", "-req", "-in", csr, ...signing, ...life, "-out", cert);
      return { certFile: cert, keyFile: key };
    },
  };
}
