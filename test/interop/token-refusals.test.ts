/** What a person sees when a bootstrap goes wrong, and that the other nodes still find together. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { both, ETCDS, type EtcdBinaries } from "./support/binaries.ts";
import {
  allReady,
  DUPLICATE,
  dataGoesInAndOut,
  type Member,
  memberNames,
  READY,
  startAgain,
  startMember,
  WAITING,
} from "./support/etcd.ts";
import { startForwardProxy } from "./support/forward-proxy.ts";
import { freePort, type Lab, openLab } from "./support/lab.ts";
import { namespaces, openNamespace } from "./support/namespace.ts";
import { Quorate } from "./support/quorate.ts";

interface Started {
  readonly service: Quorate;
  readonly discovery: string;
  readonly flags: readonly string[];
  readonly first: Member;
}

/** A token of size 3 and one member that waits. */
async function oneWaits(lab: Lab, etcd: EtcdBinaries): Promise<Started> {
  const service = await Quorate.start(lab);
  const discovery = await service.newToken("size=3");
  const flags = ["-discovery", discovery];
  const first = await startMember(lab, etcd, { name: "first", flags });
  await first.program.says(WAITING);
  return { service, discovery, flags, first };
}

/** Two more nodes join the one that waits. */
async function twoJoin(lab: Lab, etcd: EtcdBinaries, { flags, first }: Started): Promise<Member[]> {
  const second = await startMember(lab, etcd, { name: "second", flags });
  const third = await startMember(lab, etcd, { name: "third", flags });
  const members = [first, second, third];
  await allReady(members);
  await dataGoesInAndOut(lab, etcd, members);
  return members;
}

/** @returns what a node that must exit printed. */
async function lastWords({ program }: Member): Promise<string> {
  expect(await program.ends()).toMatchObject({ code: 1 });
  return program.output;
}

/** How a member says that it waits, in 3.4 and 3.5. */
const ONE_MORE = /waiting for 1 more|"needed-peers":1\b/;
const TWO_MORE = /waiting for 2 more|"needed-peers":2\b/;

describe.each(ETCDS)("%s", (_name, found) => {
  test("two nodes under one name: the second is told who has it, and the token is not spoilt", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    const twin = await startMember(lab, etcd, { name: "first", flags: started.flags });
    const words = await lastWords(twin);
    expect(words).toMatch(/209: Invalid field \(.*first.*\) \[\d+\]/);
    expect(words).toContain(started.first.peerUrl);
    await twoJoin(lab, etcd, started);
  });

  test("two nodes that advertise one URL: the second is a duplicate", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    const advertised = ["--initial-advertise-peer-urls", started.first.peerUrl];
    const flags = [...started.flags, ...advertised];
    const twin = await startMember(lab, etcd, { name: "twin", flags });
    expect(await lastWords(twin)).toMatch(DUPLICATE);
    await twoJoin(lab, etcd, started);
  });

  test("two machines with etcd's default peer URL: the second is told", async (context) => {
    const [lab, [etcd]] = openLab(context, both(found, namespaces));
    const [here, there] = ["10.0.1.10", "10.0.1.11"];
    const place = await openNamespace(lab, { addresses: [here, there], nameserver: "127.0.0.1" });
    const service = await Quorate.start(lab, { place, host: here });
    const discovery = await service.newToken("size=3");
    // What a node sends that was given neither: the same id from everywhere.
    const unset = ["-discovery", discovery, "--initial-advertise-peer-urls", "http://localhost:2380"];
    const first = await startMember(lab, etcd, { name: "default", place, flags: unset });
    await first.program.says(WAITING);
    const proxy = await startForwardProxy(lab, { from: there, place });
    const flags = [...unset, "--discovery-proxy", proxy.url];
    const second = await startMember(lab, etcd, { name: "default", place, flags });
    const words = await lastWords(second);
    expect(words).toMatch(/\(.*initial-advertise-peer-urls.*\) \[\d+\]/);
    expect(words).toContain(here);
    expect(words).toContain(there);
    expect((await service.status(discovery)).members).toHaveLength(1);
  });

  test("a node that spells the discovery URL differently is told", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    const flags = ["-discovery", `${started.discovery}/`];
    const other = await startMember(lab, etcd, { name: "second", flags });
    expect(await lastWords(other)).toMatch(/209: Invalid field \(.*discovery URL.*\) \[\d+\]/i);
    await twoJoin(lab, etcd, started);
  });

  test("a member wiped before the cluster is complete comes back", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    await started.first.program.stop("SIGKILL");
    rmSync(started.first.dataDir, { recursive: true, force: true });
    const first = await startAgain(lab, etcd, started.first, { flags: started.flags });
    await first.program.says(WAITING);
    const members = await twoJoin(lab, etcd, { ...started, first });
    expect(await memberNames(lab, etcd, members[1] ?? first)).toEqual(["first", "second", "third"]);
    expect((await started.service.status(started.discovery)).members).toHaveLength(3);
  });

  test("a member wiped after that is a duplicate, and the cluster goes on", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    const [first, second, third] = await twoJoin(lab, etcd, started);
    if (first === undefined || second === undefined || third === undefined) throw new Error("unreachable");
    await third.program.stop("SIGKILL");
    const dataDir = join(lab.dir, "empty");
    const wiped = await startAgain(lab, etcd, third, { flags: started.flags, dataDir });
    const words = await lastWords(wiped);
    expect(words).toMatch(DUPLICATE);
    await dataGoesInAndOut(lab, etcd, [first, second]);

    // Its disk was not lost after all.
    const back = await startAgain(lab, etcd, third, { flags: started.flags });
    await back.program.says(READY);
    await dataGoesInAndOut(lab, etcd, [first, back]);
  });

  test("a machine is lost before the cluster is complete: deleted, it makes room for another", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const started = await oneWaits(lab, etcd);
    const { service, discovery, first, flags } = started;
    const lost = await startMember(lab, etcd, { name: "lost", flags });
    await lost.program.says(WAITING);
    await first.program.says(ONE_MORE);
    const mark = first.program.mark();
    await lost.program.stop("SIGKILL");
    const id = (await service.status(discovery)).members[1]?.id;
    await service.curl("--fail-with-body", "-X", "DELETE", `${discovery}/${id}`);
    // The one that waits had counted it, and counts anew.
    await first.program.says(TWO_MORE, mark);
    const members = await twoJoin(lab, etcd, started);
    expect(await memberNames(lab, etcd, members[2] ?? first)).toEqual(["first", "second", "third"]);
  });

  test("a token that nobody made", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const flags = ["-discovery", `${service.url}/${"0123456789abcdef".repeat(2)}`];
    const lost = await startMember(lab, etcd, { name: "lost", flags });
    expect(await lastWords(lost)).toMatch(/100: Key not found \(.+\) \[\d+\]/);
  });

  test("a token that expired, under a waiting member and before a late one", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab, { flags: ["--token-ttl", "8s", "--gc-interval", "1s"] });
    const flags = ["-discovery", await service.newToken("size=3")];
    const waiting = await startMember(lab, etcd, { name: "waiting", flags });
    await waiting.program.says(WAITING);
    const expired = /100: Key not found \(.*expired.*\) \[\d+\]/;
    expect(await lastWords(waiting)).toMatch(expired);
    const late = await startMember(lab, etcd, { name: "late", flags });
    expect(await lastWords(late)).toMatch(expired);
  });

  test("no discovery service at the end of the URL", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const flags = ["-discovery", `http://127.0.0.1:${await freePort()}/${"0".repeat(32)}`];
    const alone = await startMember(lab, etcd, { name: "alone", flags });
    await alone.program.says(/connection refused/);
    expect(alone.program.running).toBe(true);
  });
});
