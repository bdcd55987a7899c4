/**
 * `quorate discover` gives an etcd its cluster from outside: any version boots from a token, alone or mixed with
 * members that use `-discovery`, and the token may also live in a plain etcd 3.4.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { both, ETCDS, type EtcdBinaries, etcd34 } from "./support/binaries.ts";
import {
  allReady,
  dataGoesInAndOut,
  type Member,
  memberNames,
  READY,
  REGISTERED,
  startLoner,
  startMember,
} from "./support/etcd.ts";
import { freePort, type Lab, openLab } from "./support/lab.ts";
import { prepareCustomToken, Quorate } from "./support/quorate.ts";

const QUORATE = join(import.meta.dirname, "../../bin/quorate");

/** How the output reaches etcd: as a person would write it in a shell. */
const FORMS = {
  env: 'exec env $("$@") "$ETCD"',
  eval: 'eval "$("$@" --format export)" && exec "$ETCD"',
  flags: 'exec "$ETCD" $("$@" --format flags)',
};

const discoverArgs = (tokenUrl: string, name: string, peerUrl: string): string[] =>
  ["discover", "--token-url", tokenUrl].concat("--name", name, "--peer-url", peerUrl);

/** Starts an etcd through the shell line of `form`; what it listens on comes from variables, as in a unit file. */
async function startByDiscover(
  lab: Lab,
  etcd: EtcdBinaries,
  form: keyof typeof FORMS,
  name: string,
  tokenUrl: string,
): Promise<Member> {
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  const dataDir = join(lab.dir, `${name}-${peerPort}`);
  const env = {
    ETCD: etcd.etcd,
    ETCD_DATA_DIR: dataDir,
    ETCD_LISTEN_CLIENT_URLS: clientUrl,
    ETCD_ADVERTISE_CLIENT_URLS: clientUrl,
    ETCD_LISTEN_PEER_URLS: peerUrl,
    ETCD_ENABLE_V2: "true",
  };
  const args = ["-c", FORMS[form], "sh", QUORATE, ...discoverArgs(tokenUrl, name, peerUrl)];
  const program = lab.start(`${name} (etcd ${etcd.version} by discover)`, "sh", args, { env });
  return { name, program, clientUrl, peerUrl, clientPort, peerPort, dataDir };
}

describe.each(ETCDS)("%s", (_name, found) => {
  test("a cluster boots by discover alone, in every form of its output", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const token = await service.newToken("size=3");
    const first = await startByDiscover(lab, etcd, "env", "first", token);
    await first.program.says(/1 of 3 members registered \(first\), waiting for 2 more/);
    const second = await startByDiscover(lab, etcd, "eval", "second", token);
    const third = await startByDiscover(lab, etcd, "flags", "third", token);
    await allReady([first, second, third]);
    await dataGoesInAndOut(lab, etcd, [first, second, third]);
    expect(await memberNames(lab, etcd, third)).toEqual(["first", "second", "third"]);

    const late = lab.start("late", QUORATE, discoverArgs(token, "late", "http://127.0.0.1:1"));
    expect(await late.ends()).toMatchObject({ code: 3 });
    expect(late.output).toContain("discovery: cluster is full: the token is for 3 members");

    // Run again it prints the same, so a unit file may run it at every start; etcd then has its own log.
    await second.program.stop("SIGTERM");
    const args = discoverArgs(token, "second", second.peerUrl);
    const printed = await lab.run(QUORATE, args);
    expect(printed.output).toContain(`ETCD_INITIAL_CLUSTER_TOKEN=${token}`);
    expect(printed.output).toContain(`second=${second.peerUrl}`);
    const again = await startMember(lab, etcd, {
      ...second,
      flags: ["--initial-cluster", `second=${second.peerUrl}`],
    });
    await again.program.says(READY);
  });

  test("members that use -discovery and members by discover are one cluster", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const token = await service.newToken("size=3");
    const first = await startMember(lab, etcd, { name: "first", flags: ["-discovery", token] });
    await first.program.says(REGISTERED);
    const second = await startByDiscover(lab, etcd, "env", "second", token);
    await second.program.says(/2 of 3 members registered \(first, second\)/);
    const third = await startMember(lab, etcd, { name: "third", flags: ["-discovery", token] });
    await allReady([first, second, third]);
    await dataGoesInAndOut(lab, etcd, [first, second, third]);
    expect(await memberNames(lab, etcd, second)).toEqual(["first", "second", "third"]);
  });

  test("the token may live in a plain etcd 3.4", async (context) => {
    const [lab, [etcd, backend]] = openLab(context, both(found, etcd34));
    const keeper = await startLoner(lab, backend, "keeper");
    const token = await prepareCustomToken(lab, keeper.clientUrl, "my-cluster", 3);
    const first = await startByDiscover(lab, etcd, "env", "first", token);
    const second = await startMember(lab, etcd, { name: "second", flags: ["-discovery", token] });
    await first.program.says(/2 of 3 members registered/);
    const third = await startByDiscover(lab, etcd, "flags", "third", token);
    await allReady([first, second, third]);
    await dataGoesInAndOut(lab, etcd, [first, second, third]);
    expect(await memberNames(lab, etcd, first)).toEqual(["first", "second", "third"]);
  });

  test("a service that is killed and comes back between two registrations only delays it", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const token = await service.newToken("size=2");
    const first = await startByDiscover(lab, etcd, "env", "first", token);
    await first.program.says(/1 of 2 members registered/);
    await service.restart("SIGKILL");
    const second = await startByDiscover(lab, etcd, "env", "second", token);
    await allReady([first, second]);
    expect(first.program.output).toMatch(/quorate: cannot reach .*trying again in/);
    await dataGoesInAndOut(lab, etcd, [first, second]);
  });
});
