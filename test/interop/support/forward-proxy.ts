/** Starts a forwarding HTTP proxy for `--discovery-proxy`. */
import { join } from "node:path";
import { freePort, type Lab, type Place } from "./lab.ts";
import type { Program } from "./program.ts";

export interface ForwardProxy {
  readonly url: string;
  /** Prints each request. */
  readonly program: Program;
}

/** @param options.from The address its own requests come from. */
export async function startForwardProxy(
  lab: Lab,
  options: { readonly from?: string; readonly place?: Place } = {},
): Promise<ForwardProxy> {
  const port = await freePort();
  const args = [join(import.meta.dirname, "forward-proxy-program.ts"), String(port)];
  if (options.from !== undefined) args.push(options.from);
  const program = lab.start("proxy", process.execPath, args, { place: options.place });
  await program.says(/the proxy is ready/);
  return { url: `http://127.0.0.1:${port}`, program };
}
