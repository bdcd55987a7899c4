/** What lies between a node and the service: HTTP proxies, and wires that break. */
import { describe, expect, test } from "vitest";
import { ETCDS } from "./support/binaries.ts";
import { makeAuthority } from "./support/certificates.ts";
import { type CuttingProxy, startCuttingProxy } from "./support/cutting-proxy.ts";
import {
  allReady,
  dataGoesInAndOut,
  memberNames,
  REGISTERED,
  startAgain,
  startMember,
  WAITING,
} from "./support/etcd.ts";
import { startForwardProxy } from "./support/forward-proxy.ts";
import { freePort, type Lab, openLab } from "./support/lab.ts";
import { Quorate } from "./support/quorate.ts";

/** A service with a token of size 2, and the flags of nodes that reach it over a wire that can break. */
async function behindAWire(
  lab: Lab,
): Promise<{ service: Quorate; token: string; wire: CuttingProxy; flags: string[] }> {
  const service = await Quorate.start(lab);
  const token = new URL(await service.newToken("size=2")).pathname;
  const wire = await startCuttingProxy(lab, Number(new URL(service.url).port), await freePort());
  return { service, token, wire, flags: ["-discovery", `${wire.url}${token}`] };
}

describe.each(ETCDS)("%s", (_name, found) => {
  test("three nodes behind --discovery-proxy", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const discovery = await service.newToken("size=3");
    const proxy = await startForwardProxy(lab);
    const flags = ["-discovery", discovery, "--discovery-proxy", proxy.url];
    const members = await Promise.all(
      ["first", "second", "third"].map((name) => startMember(lab, etcd, { name, flags })),
    );
    await allReady(members);
    await dataGoesInAndOut(lab, etcd, members);
    // The registrations came through it, and not past it.
    expect(proxy.program.output.match(/request PUT http:\/\//g)).toHaveLength(3);
  });

  test("over https, with the authority where Go looks for it", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const authority = await makeAuthority(lab);
    const { ca } = authority;
    const tls = { ca, ...(await authority.issue("service", ["IP:127.0.0.1"])) };
    const service = await Quorate.start(lab, { tls });
    const discovery = await service.newToken("size=2");
    expect(discovery).toMatch(/^https:/);
    const options = { flags: ["-discovery", discovery], env: { SSL_CERT_FILE: ca } };
    const first = await startMember(lab, etcd, { name: "first", ...options });
    await first.program.says(WAITING);
    const second = await startMember(lab, etcd, { name: "second", ...options });
    await allReady([first, second]);
    await dataGoesInAndOut(lab, etcd, [first, second]);
  });

  test("quiet polls end, and members ask again", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab, { flags: ["--wait-timeout", "1s"] });
    const discovery = await service.newToken("size=2");
    const flags = ["-discovery", discovery];
    const first = await startMember(lab, etcd, { name: "first", flags });
    await first.program.says(WAITING);
    // Its poll began before these two, one after the other, so it has ended too.
    for (let polls = 0; polls < 2; polls++)
      expect(await service.curl(`${discovery}?wait=true&recursive=true`)).toBe("");
    const second = await startMember(lab, etcd, { name: "second", flags });
    await allReady([first, second]);
    await dataGoesInAndOut(lab, etcd, [first, second]);
    // It was the service's end of a poll, not a failure after which etcd backs off.
    expect(first.program.output).not.toMatch(/error #0|retry connecting|retrying in/);
  });

  test("the answer to a registration is lost on its way: the node starts again and joins", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const { service, token, wire, flags } = await behindAWire(lab);
    const lost = wire.dropAnswer("PUT");
    const first = await startMember(lab, etcd, { name: "first", flags });
    await lost;
    expect(await first.program.ends()).toMatchObject({ code: 1 });
    expect((await service.status(token)).members.map(({ name }) => name)).toEqual(["first"]);

    const again = await startAgain(lab, etcd, first, { flags });
    await again.program.says(REGISTERED);
    const second = await startMember(lab, etcd, { name: "second", flags });
    await allReady([again, second]);
    await dataGoesInAndOut(lab, etcd, [again, second]);
  });

  test("the wire breaks under the registration that completes the cluster: so too", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const { service, wire, flags } = await behindAWire(lab);
    const first = await startMember(lab, etcd, { name: "first", flags });
    await first.program.says(WAITING);

    // Held still, the service finds the request and the end of the connection together when it goes on.
    const broken = wire.breakAfter("PUT", () => service.program.kill("SIGSTOP"));
    const second = await startMember(lab, etcd, { name: "second", flags });
    await broken;
    service.program.kill("SIGCONT");
    expect(await second.program.ends()).toMatchObject({ code: 1 });
    await first.program.says(/found 2 needed peer\(s\)|found all needed peers/);

    const again = await startAgain(lab, etcd, second, { flags });
    await allReady([first, again]);
    await dataGoesInAndOut(lab, etcd, [first, again]);
    expect(await memberNames(lab, etcd, first)).toEqual(["first", "second"]);
  });
});
