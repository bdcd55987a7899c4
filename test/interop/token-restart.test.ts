/** The service goes away in the middle of a bootstrap and comes back on its registry: no member is lost. */
import { describe, expect, test } from "vitest";
import { ETCDS } from "./support/binaries.ts";
import { allReady, dataGoesInAndOut, memberNames, startMember, WAITING } from "./support/etcd.ts";
import { openLab } from "./support/lab.ts";
import { Quorate } from "./support/quorate.ts";

const SIGNALS = ["SIGTERM", "SIGKILL"] as const;

describe.each(ETCDS)("%s", (_name, found) => {
  test.for(SIGNALS)("%s between registrations, while members wait", async (signal, context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const discovery = await service.newToken("size=3");
    const flags = ["-discovery", discovery];
    await service.restart(signal);

    const first = await startMember(lab, etcd, { name: "first", flags });
    await first.program.says(WAITING);
    await service.restart(signal);
    const second = await startMember(lab, etcd, { name: "second", flags });
    await second.program.says(WAITING);
    await service.restart(signal);
    const third = await startMember(lab, etcd, { name: "third", flags });

    const members = [first, second, third];
    await allReady(members);
    await dataGoesInAndOut(lab, etcd, members);
    expect(await memberNames(lab, etcd, third)).toEqual(["first", "second", "third"]);
    const listed = (await service.status(discovery)).members.map(({ name }) => name);
    expect(listed).toEqual(["first", "second", "third"]);
  });

  test("down while a node starts: it waits for the service and joins", async (context) => {
    const [lab, etcd] = openLab(context, found);
    const service = await Quorate.start(lab);
    const flags = ["-discovery", await service.newToken("size=1")];
    await service.program.stop("SIGKILL");
    const only = await startMember(lab, etcd, { name: "only", flags });
    await only.program.says(/connection refused/);
    await service.restart("SIGKILL");
    await allReady([only]);
    expect(await memberNames(lab, etcd, only)).toEqual(["only"]);
  });
});
