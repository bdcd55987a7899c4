/**
 * Unmodified etcd and etcdctl find their cluster by DNS alone: in a network namespace whose `resolv.conf` points at
 * quorate on port 53, with the addresses of the etcd documents' example.
 */
import { describe, expect, test } from "vitest";
import {
  both,
  ETCDS,
  type EtcdBinaries,
  etcd34,
  etcd35,
  type Found,
  findProgram,
} from "./support/binaries.ts";
import { makeAuthority } from "./support/certificates.ts";
import { allReady, type Member, startMember } from "./support/etcd.ts";
import { type Lab, openLab, type Place } from "./support/lab.ts";
import { namespaces, openNamespace } from "./support/namespace.ts";
import { Quorate } from "./support/quorate.ts";

const DOMAIN = "example.com";
const ELSEWHERE = "elsewhere.test";
const NODES = [
  { name: "infra0", address: "10.0.1.10" },
  { name: "infra1", address: "10.0.1.11" },
  { name: "infra2", address: "10.0.1.12" },
] as const;
const NAMES: readonly string[] = NODES.map(({ name }) => name);
const [CLIENT_PORT, PEER_PORT] = [2379, 2380];

const withNamespace = <T>(found: Found<T>): Found<readonly [T, string]> =>
  namespaces.type === "missing" ? namespaces : both(found, findProgram("dig"));

interface Site {
  readonly place: Place;
  readonly service: Quorate;
  /** `dig` with these arguments; its answer without the spaces it aligns columns with. */
  dig(...args: readonly string[]): Promise<string[]>;
}

/** A namespace with the example's addresses, where quorate is the resolver. */
async function openSite(lab: Lab): Promise<Site> {
  const place = await openNamespace(lab, {
    addresses: NODES.map(({ address }) => address),
    nameserver: "127.0.0.1",
    // Names that somebody else serves.
    hosts: NODES.map(({ name, address }) => `${address} ${name}.${ELSEWHERE}`),
  });
  const flags = ["--dns-allow-domain", DOMAIN];
  const service = await Quorate.start(lab, { place, flags, port: 8087, dns: "127.0.0.1:53" });
  return {
    place,
    service,
    dig: async (...args) => {
      const text = await lab.ok("dig", ["+noall", "+answer", ...args], { place });
      return text.split("\n").map((line) => line.replace(/\s+/g, " "));
    },
  };
}

/** `/new` with the three nodes declared. @returns the discovery URL. */
async function declare({ service }: Site, scheme: "http" | "https", more = ""): Promise<string> {
  const members = NODES.map(({ name, address }) => `member=${name}=${scheme}://${address}:${PEER_PORT}`);
  return service.newToken(`size=3&${members.join("&")}${more}`);
}

interface StartOptions {
  readonly flags: readonly string[];
  readonly scheme?: "http" | "https";
  /** Whether nodes advertise names of this domain, or their addresses. */
  readonly domain?: string;
}

/** The three nodes of the example, each with its own address. */
async function startAll(
  lab: Lab,
  etcd: EtcdBinaries,
  { place }: Site,
  { domain, scheme = "http", flags }: StartOptions,
): Promise<Member[]> {
  const started = NODES.map(({ name, address }) => {
    const advertised = domain === undefined ? address : `${name}.${domain}`;
    const ports = { clientPort: CLIENT_PORT, peerPort: PEER_PORT };
    return startMember(lab, etcd, { name, host: address, advertised, scheme, place, flags, ...ports });
  });
  const members = await Promise.all(started);
  await allReady(members);
  return members;
}

/** etcdctl that knows nothing but a domain puts and gets. @returns the names of the members it lists, sorted. */
async function namesFoundBy(
  lab: Lab,
  etcd: EtcdBinaries,
  { place }: Site,
  domain: string,
  ...flags: readonly string[]
): Promise<string[]> {
  const ctl = (...args: readonly string[]): Promise<string> =>
    lab.ok(etcd.etcdctl, ["--discovery-srv", domain, ...flags, ...args], {
      place,
      env: { ETCDCTL_API: "3" },
    });
  expect(await ctl("put", "greeting", "hello")).toBe("OK");
  expect(await ctl("get", "--print-value-only", "greeting")).toBe("hello");
  const listed = JSON.parse(await ctl("member", "list", "-w", "json")) as { members: { name: string }[] };
  return listed.members.map(({ name }) => name).toSorted();
}

test("etcd 3.5 boots from http names, as the etcd documents show", async (context) => {
  const [lab, [etcd]] = openLab(context, withNamespace(etcd35));
  const site = await openSite(lab);
  await declare(site, "http", `&domain=${DOMAIN}`);

  expect((await site.dig("SRV", `_etcd-server._tcp.${DOMAIN}`)).toSorted()).toEqual([
    `_etcd-server._tcp.${DOMAIN}. 300 IN SRV 0 0 2380 infra0.${DOMAIN}.`,
    `_etcd-server._tcp.${DOMAIN}. 300 IN SRV 0 0 2380 infra1.${DOMAIN}.`,
    `_etcd-server._tcp.${DOMAIN}. 300 IN SRV 0 0 2380 infra2.${DOMAIN}.`,
  ]);
  expect(await site.dig(...NODES.map(({ name }) => `${name}.${DOMAIN}`))).toEqual(
    NODES.map(({ name, address }) => `${name}.${DOMAIN}. 300 IN A ${address}`),
  );
  expect(await site.dig("SRV", `_etcd-server-ssl._tcp.${DOMAIN}`)).toEqual([""]);

  await startAll(lab, etcd, site, { domain: DOMAIN, flags: ["-discovery-srv", DOMAIN] });
  expect(await namesFoundBy(lab, etcd, site, DOMAIN)).toEqual(NAMES);
});

test("etcd 3.5 boots from a token's own names, advertising addresses", async (context) => {
  const [lab, [etcd]] = openLab(context, withNamespace(etcd35));
  const site = await openSite(lab);
  const token = new URL(await declare(site, "http")).pathname.slice(1);
  const domain = `${token}.discovery.internal`;
  await startAll(lab, etcd, site, { flags: ["-discovery-srv", domain] });
  expect(await namesFoundBy(lab, etcd, site, domain)).toEqual(NAMES);
});

test("etcd 3.4 cannot boot from http names, and says so in its own words", async (context) => {
  const [lab, [etcd]] = openLab(context, withNamespace(etcd34));
  const site = await openSite(lab);
  await declare(site, "http", `&domain=${DOMAIN}`);
  const [node] = NODES;
  const member = await startMember(lab, etcd, {
    name: node.name,
    host: node.address,
    place: site.place,
    clientPort: CLIENT_PORT,
    peerPort: PEER_PORT,
    flags: ["-discovery-srv", DOMAIN],
  });
  expect(await member.program.ends()).toMatchObject({ code: 1 });
  expect(member.program.output).toMatch(/error querying DNS SRV records for _etcd-server-ssl/);
});

describe.each(ETCDS)("%s", (_name, found) => {
  test.for(["names", "addresses"])("boots from https names, advertising %s", async (advertised, context) => {
    const [lab, [etcd]] = openLab(context, withNamespace(found));
    const site = await openSite(lab);
    await declare(site, "https", `&domain=${DOMAIN}`);
    expect(await site.dig("SRV", `_etcd-server-ssl._tcp.${DOMAIN}`)).toHaveLength(3);
    expect(await site.dig("SRV", `_etcd-server._tcp.${DOMAIN}`)).toEqual([""]);

    const authority = await makeAuthority(lab);
    const names = NODES.flatMap(({ name, address }) => [`DNS:${name}.${DOMAIN}`, `IP:${address}`]);
    const { cert, key } = await authority.issue("node", [`DNS:${DOMAIN}`, ...names]);
    const flags = ["-discovery-srv", DOMAIN, "--cert-file", cert, "--key-file", key];
    flags.push("--peer-cert-file", cert, "--peer-key-file", key);
    flags.push("--peer-trusted-ca-file", authority.ca, "--peer-client-cert-auth");
    const domain = advertised === "names" ? { domain: DOMAIN } : {};
    await startAll(lab, etcd, site, { ...domain, scheme: "https", flags });
    expect(
      await namesFoundBy(lab, etcd, site, DOMAIN, "--cacert", authority.ca, "--insecure-discovery=false"),
    ).toEqual(NAMES);
  });

  test.for(["names", "addresses"])(
    "a cluster that a token brought together is found by etcdctl --discovery-srv, advertising %s",
    async (advertised, context) => {
      const [lab, [etcd]] = openLab(context, withNamespace(found));
      const site = await openSite(lab);
      const discovery = await site.service.newToken("size=3");
      const named = advertised === "names" ? { domain: ELSEWHERE } : {};
      await startAll(lab, etcd, site, { ...named, flags: ["-discovery", discovery] });

      const zone = `${new URL(discovery).pathname.slice(1)}.discovery.internal`;
      const targets = (await site.dig("+short", "SRV", `_etcd-server._tcp.${zone}`)).toSorted();
      expect(targets).toHaveLength(3);
      expect(
        targets.every((target) => target.endsWith(advertised === "names" ? `.${ELSEWHERE}.` : `.${zone}.`)),
      ).toBe(true);
      expect(await namesFoundBy(lab, etcd, site, zone)).toEqual(NAMES);
    },
  );
});
