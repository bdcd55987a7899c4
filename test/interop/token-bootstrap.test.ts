/** Unmodified etcd finds its cluster by a token: three become members, the fourth a proxy, the fifth is sent away. */
import { describe, expect, test } from "vitest";
import { both, ETCDS, type EtcdBinaries, etcd34 } from "./support/binaries.ts";
import {
  allReady,
  dataGoesInAndOut,
  etcdctl,
  memberNames,
  PROXY_READY,
  READY,
  REGISTERED,
  startLoner,
  startMember,
  WAITING,
} from "./support/etcd.ts";
import { type Lab, openLab } from "./support/lab.ts";
import { prepareCustomToken, Quorate } from "./support/quorate.ts";

/** The whole story of a token of size 3. */
async function aClusterForms(lab: Lab, etcd: EtcdBinaries, discovery: string): Promise<void> {
  const flags = ["-discovery", discovery];
  const first = await startMember(lab, etcd, { name: "first", flags });
  await first.program.says(REGISTERED);
  await first.program.says(WAITING);
  const second = await startMember(lab, etcd, { name: "second", flags });
  const third = await startMember(lab, etcd, { name: "third", flags });
  const members = [first, second, third];
  await allReady(members);
  await dataGoesInAndOut(lab, etcd, members);
  expect(await memberNames(lab, etcd, second)).toEqual(["first", "second", "third"]);

  const fourth = await startMember(lab, etcd, { name: "fourth", flags });
  await fourth.program.says(PROXY_READY);
  const through = [fourth.clientUrl];
  expect(await etcdctl(lab, etcd, through, "2", "get", "/in-v2")).toBe(`written through ${first.clientUrl}`);
  await etcdctl(lab, etcd, through, "2", "set", "/by-proxy", "hello");
  expect(await etcdctl(lab, etcd, [third.clientUrl], "2", "get", "--quorum", "/by-proxy")).toBe("hello");

  const fifth = await startMember(lab, etcd, {
    name: "fifth",
    flags: [...flags, "--discovery-fallback", "exit"],
  });
  expect(await fifth.program.ends()).toMatchObject({ code: 1 });
  expect(fifth.program.output).toContain("discovery: cluster is full");

  // A restarted member has its log on disk and asks nobody.
  await third.program.stop("SIGTERM");
  const again = await startMember(lab, etcd, { ...third, flags });
  await again.program.says(READY);
  expect(await memberNames(lab, etcd, again)).toEqual(["first", "second", "third"]);
}

describe.each(ETCDS)("%s", (_name, found) => {
  test("a minted token", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const discovery = await service.newToken("size=3");
    expect(discovery).toMatch(new RegExp(`^${service.url}/[0-9a-f]{32}$`));
    await aClusterForms(lab, etcd, discovery);
    expect(await service.status(discovery)).toMatchObject({ size: 3, missing: 0 });
  });

  test("a token of the caller's choice below /v2/keys", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const discovery = await service.customToken("my-cluster", 3);
    await aClusterForms(lab, etcd, discovery);
    expect(await service.status(discovery)).toMatchObject({ size: 3, missing: 0 });
  });

  test("a discovery URL with a final slash", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const flags = ["-discovery", `${await service.newToken("size=2")}/`];
    const first = await startMember(lab, etcd, { name: "first", flags });
    const second = await startMember(lab, etcd, { name: "second", flags });
    await allReady([first, second]);
    await dataGoesInAndOut(lab, etcd, [first, second]);
    expect(await memberNames(lab, etcd, first)).toEqual(["first", "second"]);
  });

  test("more nodes than places, all at once", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const discovery = await service.newToken("size=3");
    const names = ["a", "b", "c", "d", "e"];
    const nodes = await Promise.all(
      names.map(async (name) => startMember(lab, etcd, { name, flags: ["-discovery", discovery] })),
    );
    const roles = await Promise.all(
      nodes.map(async ({ program }) => {
        const said = await program.says(new RegExp(`${READY.source}|${PROXY_READY.source}`));
        return READY.test(said[0]) ? "member" : "proxy";
      }),
    );
    const voters = nodes.filter((_node, at) => roles[at] === "member");
    expect(voters).toHaveLength(3);
    await dataGoesInAndOut(lab, etcd, voters);
    const { members } = await service.status(discovery);
    const listed = members.filter(({ role }) => role === "member").map(({ name }) => name);
    expect(listed.toSorted()).toEqual(voters.map(({ name }) => name));
  });
});

describe.each(ETCDS)("the harness itself, %s", (_name, found) => {
  // The same story with the backend that the protocol comes from: when this fails, the tests are wrong.
  test("an etcd 3.4 keeps the token", async (context) => {
    const [lab, [etcd, backend]] = openLab(context, both(found, etcd34));
    const keeper = await startLoner(lab, backend, "keeper");
    const discovery = await prepareCustomToken(lab, keeper.clientUrl, "my-cluster", 3);
    await aClusterForms(lab, etcd, discovery);
    const kept = await etcdctl(lab, backend, [keeper.clientUrl], "2", "ls", "/discovery/my-cluster");
    expect(kept.split("\n")).toHaveLength(3);
  });
});
