/** A private certificate authority, made by openssl for one test. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  /** The file to trust. */
  readonly ca: string;
  /** @param names Subject alternative names, as `DNS:example.com` or `IP:10.0.1.10`; good for servers and clients. */
  issue(file: string, names: readonly string[]): Promise<Certificate>;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export async function makeAuthority(lab: Lab): Promise<Authority> {
  const ca = join(lab.dir, "ca.pem");
  const caKey = join(lab.dir, "ca.key");
  const subject = ["-subj", "/CN=quorate test authority", "-days", "2"];
  await lab.ok("openssl", ["req", "-x509", ...NEW_KEY, ...subject, "-keyout", caKey, "-out", ca]);
  return {
    ca,
    issue: async (file, names) => {
      const at = (ending: string): string => join(lab.dir, `${file}.${ending}`);
      const [key, cert] = [at("key"), at("pem")];
      writeFileSync(at("ext"), `subjectAltName=${names.join(",")}\nextendedKeyUsage=serverAuth,clientAuth\n`);
      const request = ["req", ...NEW_KEY, "-subj", `/CN=${file}`, "-keyout", key, "-out", at("csr")];
      await lab.ok("openssl", request);
      const sign = ["x509", "-req", "-in", at("csr"), "-CA", ca, "-CAkey", caKey, "-CAcreateserial"];
      await lab.ok("openssl", [...sign, "-days", "2", "-extfile", at("ext"), "-out", cert]);
      return { cert, key };
    },
  };
}
