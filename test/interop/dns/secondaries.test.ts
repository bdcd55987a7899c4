/** Real secondaries take our zones, and follow a registration because NOTIFY tells them to. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { both, type Found, findProgram } from "../support/binaries.ts";
import { freePort, type Lab, openLab } from "../support/lab.ts";
import type { Program } from "../support/program.ts";
import { Quorate } from "../support/quorate.ts";

const TOKENS = "discovery.internal";
const DOMAIN = "example.com";

interface Secondary {
  readonly port: number;
  readonly program: Program;
}

interface Kind {
  readonly program: string;
  start(lab: Lab, binary: string, port: number, primary: string): Program;
  /** What it logs when NOTIFY has reached it, and when it serves the zone with this serial. */
  notified(zone: string): RegExp;
  serves(zone: string, serial: number): RegExp;
}

const splitPort = (address: string): readonly [host: string, port: string] => {
  const at = address.lastIndexOf(":");
  return [address.slice(0, at), address.slice(at + 1)];
};

const knot: Kind = {
  program: "knotd",
  start(lab, binary, port, primary) {
    const [host, primaryPort] = splitPort(primary);
    const dir = join(lab.dir, "knot");
    mkdirSync(dir);
    const config = join(dir, "knot.conf");
    writeFileSync(
      config,
      `server:
    listen: 127.0.0.1@${port}
    rundir: "${dir}"
database:
    storage: "${dir}"
log:
  - target: stderr
    any: info
remote:
  - id: quorate
    address: ${host}@${primaryPort}
acl:
  - id: notify-from-quorate
    address: ${host}
    action: notify
template:
  - id: default
    storage: "${dir}"
    master: quorate
    acl: notify-from-quorate
zone:
  - domain: ${TOKENS}
  - domain: ${DOMAIN}
`,
    );
    return lab.start("knotd", binary, ["-c", config]);
  },
  notified: (zone) => new RegExp(`\\[${zone}\\.\\] notify, incoming, remote`),
  serves: (zone, serial) =>
    new RegExp(`\\[${zone}\\.\\] refresh, .*zone updated,.* serial (\\S+ -> )?${serial}\\b`),
};

const bind: Kind = {
  program: "named",
  start(lab, binary, port, primary) {
    const [host, primaryPort] = splitPort(primary);
    const dir = join(lab.dir, "bind");
    mkdirSync(dir);
    const config = join(dir, "named.conf");
    const zone = (name: string): string =>
      `zone "${name}" { type secondary; primaries { ${host} port ${primaryPort}; }; file "${name}.db"; notify no; };`;
    writeFileSync(
      config,
      `options {
    directory "${dir}";
    pid-file none;
    session-keyfile none;
    listen-on port ${port} { 127.0.0.1; };
    listen-on-v6 { none; };
    recursion no;
    dnssec-validation no;
};
controls { };
${zone(TOKENS)}
${zone(DOMAIN)}
`,
    );
    return lab.start("named", binary, ["-g", "-c", config]);
  },
  notified: (zone) => new RegExp(`zone ${zone}/IN: notify from`),
  serves: (zone, serial) => new RegExp(`zone ${zone}/IN: transferred serial ${serial}\\b`),
};

const dig = findProgram("dig");

async function ask(
  lab: Lab,
  digBinary: string,
  at: string,
  ...question: readonly string[]
): Promise<string[]> {
  const [host, port] = splitPort(at);
  const output = await lab.ok(digBinary, [`@${host}`, "-p", port, "+short", "+tries=1", ...question]);
  return output
    .split("\n")
    .filter((line) => line !== "")
    .toSorted();
}

async function serialOf(lab: Lab, digBinary: string, service: Quorate, zone: string): Promise<number> {
  const [soa = ""] = await ask(lab, digBinary, service.dns, "SOA", zone);
  return Number(soa.split(" ")[2]);
}

/** A member comes, as etcd does it. */
async function register(service: Quorate, discovery: string, i: number): Promise<void> {
  const value = `value=infra${i}=http://10.0.1.${10 + i}:2380`;
  await service.curl(
    "--fail-with-body",
    "-X",
    "PUT",
    "-d",
    value,
    `${discovery}/${(0xabc0 + i).toString(16)}?prevExist=false`,
  );
}

describe.each([knot, bind])("$program", (kind) => {
  const needed: Found<readonly [string, string]> = both(findProgram(kind.program), dig);

  test("transfers both zones, and follows registrations, also after a restart of the primary", async (context) => {
    const [lab, [binary, digBinary]] = openLab(context, needed);
    const port = await freePort();
    const service = await Quorate.start(lab, {
      flags: ["--dns-secondary", `127.0.0.1:${port}`, "--dns-allow-domain", DOMAIN],
    });
    const members = [0, 1, 2].map((i) => `member=infra${i}=http://10.0.1.${10 + i}:2380`).join("&");
    await service.newToken(`size=3&domain=${DOMAIN}&${members}`);
    const discovery = await service.newToken("size=2");
    const token = discovery.slice(-32);
    const srv = `_etcd-server._tcp.${token}.${TOKENS}`;

    const secondary: Secondary = { port, program: kind.start(lab, binary, port, service.dns) };
    const at = `127.0.0.1:${secondary.port}`;
    const catchUp = async (zone: string, from: number): Promise<void> => {
      await secondary.program.says(kind.serves(zone, await serialOf(lab, digBinary, service, zone)), from);
    };
    await Promise.all([catchUp(TOKENS, 0), catchUp(DOMAIN, 0)]);
    expect(await ask(lab, digBinary, at, "SRV", `_etcd-server._tcp.${DOMAIN}`)).toEqual(
      [0, 1, 2].map((i) => `0 0 2380 infra${i}.${DOMAIN}.`),
    );
    expect(await ask(lab, digBinary, at, "A", `infra1.${DOMAIN}`)).toEqual(["10.0.1.11"]);
    expect(await ask(lab, digBinary, at, "SRV", srv)).toEqual([]);

    const beforeFirst = secondary.program.mark();
    await register(service, discovery, 0);
    await secondary.program.says(kind.notified(TOKENS), beforeFirst);
    await catchUp(TOKENS, beforeFirst);
    expect(await ask(lab, digBinary, at, "SRV", srv)).toHaveLength(1);

    await service.restart("SIGKILL");
    const beforeSecond = secondary.program.mark();
    await register(service, discovery, 1);
    await catchUp(TOKENS, beforeSecond);
    const answers = await ask(lab, digBinary, at, "SRV", srv);
    expect(answers).toHaveLength(2);
    // Whatever is asked, the secondary says what the primary says.
    const names = [
      srv,
      `_etcd-client._tcp.${token}.${TOKENS}`,
      `${token}.${TOKENS}`,
      DOMAIN,
      `infra0.${DOMAIN}`,
    ];
    for (const answer of answers) names.push((answer.split(" ")[3] ?? "").replace(/\.$/, ""));
    for (const name of names) {
      for (const type of ["SRV", "A", "TXT", "NS"]) {
        expect([name, type, await ask(lab, digBinary, at, type, name)]).toEqual([
          name,
          type,
          await ask(lab, digBinary, service.dns, type, name),
        ]);
      }
    }
    expect(secondary.program.output).not.toMatch(/REFUSED|NOTAUTH|FORMERR|SERVFAIL|malformed/);
  });

  test("is refused where it is not named", async (context) => {
    const [lab, [binary, digBinary]] = openLab(context, needed);
    const port = await freePort();
    const service = await Quorate.start(lab);
    const secondary = kind.start(lab, binary, port, service.dns);
    await service.program.says(/refused a zone transfer.*"from":"127\.0\.0\.1".*--dns-allow-transfer/);
    await secondary.says(/REFUSED|refused/i);
    expect(await ask(lab, digBinary, `127.0.0.1:${port}`, "SOA", TOKENS)).toEqual([]);
  });
});
