/**
 * Certificate files, read again when they change. The files are compared by content, every few seconds: this sees a
 * rename, a symlink swap (as Kubernetes updates secrets) and a write in place alike, where watching inodes does not.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { EnvironmentError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";

/** Between looks at the files. */
const RELOAD_CHECK_MS = 2000;

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose client certificates are accepted; undefined: none is asked for. */
  readonly trustedCaFile: string | undefined;
}

export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly requestCert?: true;
  readonly rejectUnauthorized?: true;
  readonly minVersion: "TLSv1.2";
}

export interface TlsSource {
  current(): TlsMaterial;
  /** @returns a function that ends the subscription. */
  onChange(listener: (material: TlsMaterial) => void): () => void;
  /** Looks at the files now. Resolves when what they hold is in use, or was found unusable and logged. */
  check(): Promise<void>;
  close(): void;
}

/** @throws EnvironmentError naming the file that cannot be read, or what does not fit. */
export function openTls(files: TlsFiles, logger: Logger, checkMs: number = RELOAD_CHECK_MS): TlsSource {
  const paths = [
    files.certFile,
    files.keyFile,
    ...(files.trustedCaFile === undefined ? [] : [files.trustedCaFile]),
  ];
  /** Served all the same: a client that does not check, or a clock that is wrong, is better off than with nothing. */
  const warnOfDates = ({ validFromDate, validToDate }: X509Certificate): void => {
    const now = Date.now();
    if (now >= validFromDate.getTime() && now <= validToDate.getTime()) return;
    logger.warn("the certificate is not valid now: etcd retries for ever without saying why", {
      "cert-file": files.certFile,
      "not-before": validFromDate.toISOString(),
      "not-after": validToDate.toISOString(),
    });
  };
  const materialOf = ([cert = "", key = "", ca]: readonly string[]): TlsMaterial => {
    const served = certificateIn(files.certFile, cert);
    if (!served.checkPrivateKey(privateKeyIn(files.keyFile, key))) {
      throw unusable(files.keyFile, `this key does not belong to the certificate in ${files.certFile}`);
    }
    if (files.trustedCaFile !== undefined) certificateIn(files.trustedCaFile, ca ?? "");
    const material: TlsMaterial = {
      cert,
      key,
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
      minVersion: "TLSv1.2",
    };
    try {
      createSecureContext(material);
    } catch (error) {
      throw unusable(paths.join(", "), messageOf(error), error);
    }
    warnOfDates(served);
    return material;
  };

  let texts = paths.map((path) => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw unreadable(error);
    }
  });
  let current = materialOf(texts);
  let lastProblem = "";
  const listeners = new Set<(material: TlsMaterial) => void>();

  const check = async (): Promise<void> => {
    try {
      const now = await Promise.all(paths.map((path) => readFile(path, "utf8")));
      if (now.every((text, at) => text === texts[at])) return;
      // Remember only what works: a certificate that arrives before its key is tried again with it.
      current = materialOf(now);
      texts = now;
      lastProblem = "";
      for (const listener of listeners) listener(current);
      logger.info("certificate files changed; new connections use them", { "cert-file": files.certFile });
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== lastProblem) {
        logger.error("changed certificate files cannot be used; the old ones stay in use", {
          error: problem,
        });
      }
      lastProblem = problem;
    }
  };
  const timer = setInterval(() => void check(), checkMs).unref();

  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    check,
    close: () => clearInterval(timer),
  };
}

/** The first certificate of a PEM file. */
function certificateIn(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw unusable(path, `it holds no certificate that can be read (PEM): ${messageOf(error)}`, error);
  }
}

function privateKeyIn(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(
      path,
      `it holds no private key that can be read (PEM, without a passphrase): ${messageOf(error)}`,
      error,
    );
  }
}

function unusable(path: string, what: string, cause?: unknown): EnvironmentError {
  return new EnvironmentError("certificate_unusable", `${path}: ${what}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unreadable(error: unknown): EnvironmentError {
  return new EnvironmentError(
    "certificate_unreadable",
    `cannot read a certificate file: ${messageOf(error)}`,
    { cause: error },
  );
}
