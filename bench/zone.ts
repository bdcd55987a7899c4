/**
 * The clusters that are in DNS: registered with quorate, read back from it, and given to the other servers, so that
 * all of them answer the same questions with the same records.
 */
import { createHash } from "node:crypto";
import type { Resolver } from "node:dns/promises";
import { EnvironmentError } from "../src/lib/errors.ts";
import { resolverOf } from "./resolver.ts";
import type { Quorate } from "./servers/quorate.ts";

export interface Target {
  /** Without the final dot. */
  readonly name: string;
  readonly port: number;
  readonly address: string;
}

export interface Service {
  /** `_etcd-server._tcp.TOKEN.ZONE`, without the final dot. */
  readonly name: string;
  readonly targets: readonly Target[];
}

export interface PublishedZone {
  readonly origin: string;
  readonly services: readonly Service[];
}

export const MEMBERS = 3;
const PEER_PORT = 2380;
const TTL_SECONDS = 300;

/** etcd's member id: the first 8 bytes of SHA-1 over peer URL and discovery URL (etcd `membership/member.go`). */
export function memberId(peerUrl: string, discoveryUrl: string): string {
  const digest = createHash("sha1").update(peerUrl).update(discoveryUrl).digest();
  return digest.readBigUInt64BE().toString(16);
}

/** Registers one member as etcd does. @throws EnvironmentError when it is refused. */
export async function register(discoveryUrl: string, name: string, address: string): Promise<void> {
  const peerUrl = `http://${address}:${PEER_PORT}`;
  const answer = await fetch(`${discoveryUrl}/${memberId(peerUrl, discoveryUrl)}?prevExist=false`, {
    method: "PUT",
    body: new URLSearchParams({ value: `${name}=${peerUrl}` }),
  });
  if (!answer.ok)
    throw new EnvironmentError("load_failed", `PUT ${name}: ${answer.status} ${await answer.text()}`);
}

/** Fills quorate with `count` clusters of three and reads back what it publishes for them. */
export async function publish(quorate: Quorate, count: number): Promise<PublishedZone> {
  const resolver = resolverOf(quorate.dnsPort);
  const services: Service[] = [];
  for (let cluster = 0; cluster < count; cluster++) {
    const discoveryUrl = await (await fetch(`${quorate.url}/new?size=${MEMBERS}`)).text();
    for (let member = 0; member < MEMBERS; member++) {
      await register(discoveryUrl, `infra${member}`, `10.${cluster >> 8}.${cluster & 255}.${10 + member}`);
    }
    const name = `_etcd-server._tcp.${discoveryUrl.slice(discoveryUrl.lastIndexOf("/") + 1)}.${quorate.zone}`;
    services.push({ name, targets: await readBack(resolver, name) });
  }
  return { origin: quorate.zone, services };
}

/** What a server answers for one service, in a fixed order. */
async function readBack(resolver: Resolver, service: string): Promise<Target[]> {
  const records = await resolver.resolveSrv(service);
  const targets = await Promise.all(
    records.map(async ({ name, port }) => ({ name, port, address: (await resolver.resolve4(name)).join() })),
  );
  return targets.toSorted((a, b) => a.name.localeCompare(b.name));
}

/** @throws EnvironmentError when a server's answers for some of the services are not the zone's. */
export async function checkAnswers(port: number, zone: PublishedZone, program: string): Promise<void> {
  const resolver = resolverOf(port);
  for (const { name, targets } of zone.services.slice(0, 10)) {
    const got = await readBack(resolver, name);
    if (targets.length !== MEMBERS || JSON.stringify(got) !== JSON.stringify(targets)) {
      throw new EnvironmentError("load_failed", `${program} answers ${JSON.stringify(got)} for ${name}`);
    }
  }
}

/** The zone in master file format (RFC 1035 §5.1). */
export function zoneFile({ origin, services }: PublishedZone): string {
  const records = services.flatMap(({ name, targets }) =>
    targets.flatMap((target) => [
      `${name}. ${TTL_SECONDS} IN SRV 0 0 ${target.port} ${target.name}.`,
      `${target.name}. ${TTL_SECONDS} IN A ${target.address}`,
    ]),
  );
  return [
    `${origin}. ${TTL_SECONDS} IN SOA ns.${origin}. hostmaster.${origin}. 1 3600 600 86400 60`,
    `${origin}. ${TTL_SECONDS} IN NS ns.${origin}.`,
    `ns.${origin}. ${TTL_SECONDS} IN A 127.0.0.1`,
    ...records,
    "",
  ].join("\n");
}

/** The lines of dnsperf's query file: for every cluster as many SRV questions as A questions, well mixed. */
export function queries({ services }: PublishedZone): string[] {
  const lines = services.flatMap(({ name, targets }) =>
    targets.flatMap((target) => [`${name} SRV`, `${target.name} A`]),
  );
  // A stride that shares no factor with the number of lines visits each line once, far from its neighbours.
  let stride = Math.max(1, Math.floor(lines.length * 0.618));
  while (greatestCommonDivisor(stride, lines.length) !== 1) stride++;
  return lines.map((_line, at) => lines[(at * stride) % lines.length] ?? "");
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
