/** This checkout's `quorate serve`: durable, without rate limits. */
import { join } from "node:path";
import { freePort } from "../processes.ts";
import { folderFor, type Run } from "../run.ts";

export interface Quorate {
  readonly url: string;
  readonly dnsPort: number;
  readonly zone: string;
  readonly pids: readonly number[];
}

const ZONE = "discovery.internal";

/** @param name Of its data folder: one for each subject, so that no subject inherits another one's registry. */
export async function startQuorate(run: Run, name: string): Promise<Quorate> {
  const [httpPort, dnsPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${httpPort}`;
  const flags: Readonly<Record<string, string>> = {
    "--listen-http": url,
    "--public-url": url,
    "--listen-dns": `127.0.0.1:${dnsPort}`,
    "--dns-zone": ZONE,
    "--data": folderFor(run, name),
    "--rate-limit": "0",
    "--dns-rate-limit": "0",
  };
  const { pid } = await run.processes.start(
    "server",
    process.execPath,
    [join(import.meta.dirname, "../../src/main.ts"), "serve", ...Object.entries(flags).flat()],
    async () => (await fetch(`${url}/health`)).ok,
  );
  return { url, dnsPort, zone: ZONE, pids: [pid] };
}
