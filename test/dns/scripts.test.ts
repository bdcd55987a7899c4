/**
 * Runs test/dns/scripts: commands, a line `----`, then everything they print. `UPDATE=1` writes what was printed.
 *
 * serve ZONE… [allow=DOMAIN] [ns=NAME] [address=IP] [client-port=N]   a new server over an empty registry
 * create TOKEN size=N [domain=D] [custom]    register TOKEN VALUE    remove TOKEN NAME    retire TOKEN
 * ask NAME TYPE [class=N] [opcode=N] [edns=SIZE] [version=N] [do] [options=HEX] [opts=2] [tcp] [flags=HEX]
 * send HEX [tcp]       any bytes; the answer as bytes        transfer ZONE
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { createResponder, type Reply, type Responder, type Transport } from "../../src/dns/responder.ts";
import { UsageError } from "../../src/lib/errors.ts";
import { FakeDiscovery } from "./fake-discovery.ts";
import { query, replyText, setLines } from "./zone-text.ts";

type Options = Readonly<Record<string, readonly string[]>>;

class Session {
  #discovery = new FakeDiscovery();
  #responder: Responder | undefined;

  async run(line: string): Promise<string> {
    const [command = "", ...words] = line.split(" ");
    const plain = words.filter((word) => !/^[a-z-]+=/.test(word) || word.includes("://"));
    const options: Record<string, string[]> = {};
    for (const word of words) {
      const [key = "", value = ""] = word.split("=", 2);
      (options[key] ??= []).push(value);
    }
    const [first = "", second = ""] = plain;
    switch (command) {
      case "serve":
        return this.#serve(plain, options);
      case "create":
        this.#discovery.create(first, {
          size: Number(options["size"]?.[0]),
          ...(options["domain"]?.[0] === undefined ? {} : { domain: options["domain"][0] }),
          kind: plain.includes("custom") ? "custom" : "minted",
        });
        return "";
      case "register":
        this.#discovery.register(first, second);
        return "";
      case "remove":
        this.#discovery.remove(first, second);
        return "";
      case "retire":
        this.#discovery.retire(first);
        return "";
      case "ask":
        return replyText(await this.#answer(question(first, second, plain, options), plain));
      case "send": {
        const reply = await this.#answer(Buffer.from(first, "hex"), plain);
        return reply === undefined ? "(no answer)" : reply.toString("hex");
      }
      case "transfer":
        return this.#transfer(first);
      default:
        throw new Error(`unknown command ${line}`);
    }
  }

  get #current(): Responder {
    if (this.#responder === undefined) throw new Error("serve first");
    return this.#responder;
  }

  #serve(zones: readonly string[], options: Options): string {
    this.#discovery = new FakeDiscovery();
    try {
      this.#responder = createResponder({
        zones,
        allowedDomains: options["allow"] ?? [],
        clientPort: Number(options["client-port"]?.[0] ?? 2379),
        nameServers: options["ns"] ?? [],
        nameServerAddresses: options["address"] ?? [],
        discovery: this.#discovery,
      });
      return "";
    } catch (error) {
      if (error instanceof UsageError) return error.message;
      throw error;
    }
  }

  /** Asks twice: the second answer comes from the wire cache and must be the same bytes. */
  async #answer(message: Buffer, plain: readonly string[]): Promise<Reply> {
    const transport: Transport = plain.includes("tcp") ? "tcp" : "udp";
    const reply = await this.#current.respond(message, { transport });
    const again = await this.#current.respond(message, { transport });
    if (again?.toString("hex") !== reply?.toString("hex")) throw new Error("the kept answer differs");
    return reply;
  }

  async #transfer(name: string): Promise<string> {
    const zone = this.#current.zoneNamed(name);
    if (zone === undefined) return "(no such zone)";
    const lines = setLines(this.#current.soa(zone));
    for await (const set of this.#current.zoneRecords(zone)) lines.push(...setLines(set));
    return lines.join("\n");
  }
}

function question(name: string, type: string, plain: readonly string[], options: Options): Buffer {
  const size = options["edns"]?.[0];
  const opt = {
    size: Number(size),
    version: Number(options["version"]?.[0] ?? 0),
    dnssecOk: plain.includes("do"),
    options: options["options"]?.[0] ?? "",
  };
  return query({
    name,
    type,
    class: Number(options["class"]?.[0] ?? 1),
    opcode: Number(options["opcode"]?.[0] ?? 0),
    flags: Number.parseInt(options["flags"]?.[0] ?? "0100", 16),
    opts: size === undefined ? [] : Array.from({ length: Number(options["opts"]?.[0] ?? 1) }, () => opt),
  });
}

/** @returns the script with what its commands print now. */
async function replay(script: string): Promise<string> {
  const session = new Session();
  const out: string[] = [];
  let printed: string[] = [];
  let skipping = false;
  for (const line of script.split("\n")) {
    if (line === "----") {
      out.push(line, ...printed.flatMap((text) => (text === "" ? [] : text.split("\n"))));
      printed = [];
      skipping = true;
    } else if (line === "") {
      skipping = false;
      out.push(line);
    } else if (!skipping) {
      out.push(line);
      if (!line.startsWith("#")) printed.push(await session.run(line));
    }
  }
  return out.join("\n");
}

for (const file of globSync(join(import.meta.dirname, "scripts/*.txt")).toSorted()) {
  const script = readFileSync(file, "utf8");
  test(`${basename(file)}: ${script.split("\n")[0]?.slice(2)}`, async () => {
    const now = await replay(script);
    if (process.env["UPDATE"] === "1") writeFileSync(file, now);
    expect(now).toBe(readFileSync(file, "utf8"));
  });
}
