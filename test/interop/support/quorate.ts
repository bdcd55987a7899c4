/** `quorate serve` as a process of its own, on a registry that outlives it. */
import { join } from "node:path";
import type { Certificate } from "./certificates.ts";
import { freePort, type Lab, type Place } from "./lab.ts";
import type { Program } from "./program.ts";

const ROOT = join(import.meta.dirname, "../../..");
const NODE = join(ROOT, "node_modules/node/bin/node");
const MAIN = join(ROOT, "src/main.ts");
const SERVING = /ready to serve discovery requests/;

export interface QuorateOptions {
  readonly flags?: readonly string[];
  readonly place?: Place;
  /** `127.0.0.1`, or the address that its clients see. */
  readonly host?: string;
  readonly port?: number;
  /** `HOST:PORT` for DNS. */
  readonly dns?: string;
  /** Serves https with this certificate. */
  readonly tls?: Certificate & { readonly ca: string };
}

/** What the tests read of a token's status. */
export interface Status {
  readonly size: number;
  readonly missing: number;
  readonly members: readonly { readonly id: string; readonly name: string; readonly role: string }[];
}

/** One service: stopped and started again it keeps its address and its registry. */
export class Quorate {
  readonly url: string;
  readonly dns: string;
  readonly #lab: Lab;
  readonly #options: QuorateOptions;
  #program: Program;

  private constructor(lab: Lab, options: QuorateOptions, url: string, dns: string) {
    this.#lab = lab;
    this.#options = options;
    this.url = url;
    this.dns = dns;
    this.#program = this.#start();
  }

  static async start(lab: Lab, options: QuorateOptions = {}): Promise<Quorate> {
    const { host = "127.0.0.1", port = await freePort(), tls } = options;
    const scheme = tls === undefined ? "http" : "https";
    const dns = options.dns ?? `127.0.0.1:${await freePort()}`;
    const service = new Quorate(lab, options, `${scheme}://${host}:${port}`, dns);
    await service.#program.says(SERVING);
    return service;
  }

  get program(): Program {
    return this.#program;
  }

  /** Ends the process by `signal` and starts another on the same registry and address. */
  async restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#program.stop(signal);
    this.#program = this.#start();
    await this.#program.says(SERVING);
  }

  /** `GET /new`. @returns the discovery URL. */
  async newToken(query = "size=3"): Promise<string> {
    return this.curl("--fail-with-body", `/new?${query}`);
  }

  /** Prepares a token of the caller's choice, as etcd guides do with another etcd. @returns the discovery URL. */
  async customToken(name: string, size: number): Promise<string> {
    return prepareCustomToken(this.#lab, this.url, name, size);
  }

  /** curl from where the service runs, silent but for errors. @param args The last one is a path, or a whole URL. */
  async curl(...args: readonly string[]): Promise<string> {
    const target = new URL(args.at(-1) ?? "", this.url).href;
    const { place, tls } = this.#options;
    const trust = tls === undefined ? [] : ["--cacert", tls.ca];
    return this.#lab.ok("curl", ["-sS", ...trust, ...args.slice(0, -1), target], { place });
  }

  /** The state of a token in words and numbers. */
  async status(discoveryUrl: string): Promise<Status> {
    return JSON.parse(await this.curl("-H", "Accept: application/vnd.quorate+json", discoveryUrl)) as Status;
  }

  #start(): Program {
    const args = ["--disable-warning=ExperimentalWarning", MAIN, "serve"];
    args.push("--listen-http", this.url, "--listen-dns", this.dns, "--data", join(this.#lab.dir, "registry"));
    const { flags = [], place, tls } = this.#options;
    args.push(...flags);
    if (tls !== undefined) args.push("--cert-file", tls.cert, "--key-file", tls.key);
    return this.#lab.start("quorate", NODE, args, { place });
  }
}

/** `PUT …/_config/size` on anything that keeps v2 keys. @returns the discovery URL. */
export async function prepareCustomToken(lab: Lab, url: string, name: string, size: number): Promise<string> {
  const discovery = `${url}/v2/keys/discovery/${name}`;
  const put = ["-X", "PUT", "-d", `value=${size}`, `${discovery}/_config/size`];
  await lab.ok("curl", ["-sS", "--fail-with-body", ...put]);
  return discovery;
}
