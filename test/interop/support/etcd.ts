/** etcd as its users start it, and etcdctl as they ask it. */
import { join } from "node:path";
import type { EtcdBinaries } from "./binaries.ts";
import { freePort, type Lab, type Place } from "./lab.ts";
import { PATIENCE_MS, type Program } from "./program.ts";

export const READY: RegExp = /ready to serve client requests/;
export const PROXY_READY: RegExp = /v2 proxy started listening on client requests/;
/** A member has registered and knows itself in the list: 3.4 and 3.5 word it differently. */
export const REGISTERED: RegExp = /found self (\S+ in the cluster|from discovery server)/;
/** Exits because its id is taken: the words of 3.4 and of 3.5. */
export const DUPLICATE: RegExp = /has previously registered with discovery|discovery: found duplicate id/;
/** A member waits for others. */
export const WAITING: RegExp = /found \d+ peer\(s\), waiting|found peers from discovery server; waiting/;

export interface MemberOptions {
  readonly name: string;
  /** More flags: how it finds the others. */
  readonly flags: readonly string[];
  /** Keep these to start the same member again. */
  readonly clientPort?: number;
  readonly peerPort?: number;
  /** The address it listens on. */
  readonly host?: string;
  /** The name or address in the URLs it advertises; `host` without. */
  readonly advertised?: string;
  readonly scheme?: "http" | "https";
  readonly dataDir?: string;
  readonly place?: Place;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Member {
  readonly name: string;
  readonly program: Program;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
}

/** Starts one etcd. It serves the v2 API too. */
export async function startMember(lab: Lab, etcd: EtcdBinaries, options: MemberOptions): Promise<Member> {
  const { name, host = "127.0.0.1", scheme = "http", place, env = {}, flags } = options;
  const clientPort = options.clientPort ?? (await freePort());
  const peerPort = options.peerPort ?? (await freePort());
  const dataDir = options.dataDir ?? join(lab.dir, `${name}-${peerPort}`);
  const { advertised = host } = options;
  const clientUrl = `${scheme}://${advertised}:${clientPort}`;
  const peerUrl = `${scheme}://${advertised}:${peerPort}`;
  const args = ["--name", name, "--data-dir", dataDir, "--enable-v2=true"];
  args.push(
    "--listen-client-urls",
    `${scheme}://${host}:${clientPort}`,
    "--advertise-client-urls",
    clientUrl,
  );
  args.push("--listen-peer-urls", `${scheme}://${host}:${peerPort}`);
  args.push("--initial-advertise-peer-urls", peerUrl, ...flags);
  const program = lab.start(`${name} (etcd ${etcd.version})`, etcd.etcd, args, { place, env });
  return { name, program, clientUrl, peerUrl, clientPort, peerPort, dataDir };
}

/** Starts a cluster of one, to be asked or to be the registry of others. */
export async function startLoner(lab: Lab, etcd: EtcdBinaries, name: string): Promise<Member> {
  const peerPort = await freePort();
  const flags = ["--initial-cluster", `${name}=http://127.0.0.1:${peerPort}`];
  const member = await startMember(lab, etcd, { name, peerPort, flags });
  await member.program.says(READY);
  return member;
}

/** Starts the same member again, on its data folder unless told otherwise. */
export async function startAgain(
  lab: Lab,
  etcd: EtcdBinaries,
  member: Member,
  options: { readonly flags: readonly string[]; readonly dataDir?: string },
): Promise<Member> {
  await member.program.stop("SIGKILL");
  const { name, clientPort, peerPort, dataDir } = member;
  return startMember(lab, etcd, { name, clientPort, peerPort, dataDir, ...options });
}

/** Waits until all of them serve. */
export async function allReady(members: readonly Member[]): Promise<void> {
  await Promise.all(members.map(async (member) => member.program.says(READY)));
}

/** What one hears while a leader is elected, which a busy machine or the end of a member makes necessary at any time. */
const ELECTING =
  /etcdserver: (request timed out|leader changed|no leader)|Raft Internal Error|context deadline exceeded/;

/**
 * etcdctl against these members, over the v3 API or the v2 one; asked again while they elect a leader.
 * @returns what it printed.
 */
export async function etcdctl(
  lab: Lab,
  etcd: EtcdBinaries,
  endpoints: readonly string[],
  api: "2" | "3",
  ...args: readonly string[]
): Promise<string> {
  const deadline = Date.now() + PATIENCE_MS;
  const argv = [`--endpoints=${endpoints.join(",")}`, ...args];
  for (;;) {
    const { code, output } = await lab.run(etcd.etcdctl, argv, { env: { ETCDCTL_API: api } });
    if (code === 0) return output.trimEnd();
    if (!ELECTING.test(output) || Date.now() > deadline)
      throw new Error(`etcdctl ${argv.join(" ")} ended with ${code}\n${output}`);
  }
}

/** Puts through the first member and gets from the last, over both APIs; throws unless it is the same. */
export async function dataGoesInAndOut(
  lab: Lab,
  etcd: EtcdBinaries,
  members: readonly Member[],
): Promise<void> {
  const [first, last] = [members[0]?.clientUrl ?? "", members.at(-1)?.clientUrl ?? ""];
  const value = `written through ${first}`;
  await etcdctl(lab, etcd, [first], "3", "put", "in-v3", value);
  await etcdctl(lab, etcd, [first], "2", "set", "/in-v2", value);
  const got = [
    await etcdctl(lab, etcd, [last], "3", "get", "--print-value-only", "in-v3"),
    await etcdctl(lab, etcd, [last], "2", "get", "--quorum", "/in-v2"),
  ];
  for (const text of got) if (text !== value) throw new Error(`${last} has ${JSON.stringify(text)}`);
}

/** The names in the member list as this member knows it, sorted. */
export async function memberNames(lab: Lab, etcd: EtcdBinaries, member: Member): Promise<string[]> {
  const text = await etcdctl(lab, etcd, [member.clientUrl], "3", "member", "list", "-w", "json");
  const list = JSON.parse(text) as { members: { name: string }[] };
  return list.members.map(({ name }) => name).toSorted();
}
