/** The service without HTTP: one request a message. Run by direct.ts. */
import { join } from "node:path";
import type { MemberId, Token } from "../../../src/discovery/cluster.ts";
import type { Discovery } from "../../../src/discovery/discovery.ts";
import { createDiscovery } from "../../../src/discovery/service.ts";
import { openSqliteStore } from "../../../src/discovery/stores/sqlite.ts";
import { RefusedError } from "../../../src/lib/errors.ts";
import type { Listing } from "./service-under-test.ts";

export type Call =
  | { readonly type: "create"; readonly size: number }
  | { readonly type: "register"; readonly token: string; readonly id: string; readonly value: string }
  | { readonly type: "list"; readonly token: string }
  | { readonly type: "wait"; readonly token: string; readonly waitIndex: number };

export interface Asked {
  readonly number: number;
  readonly call: Call;
}

export interface Answered {
  readonly number: number;
  readonly result: unknown;
}

const discovery = await createDiscovery({
  store: await openSqliteStore(join(process.argv[2] ?? "", "registry.db")),
});

process.on("message", ({ number, call }: Asked) => {
  void answer(discovery, call).then((result) => process.send?.({ number, result } satisfies Answered));
});
process.send?.({ number: 0, result: "ready" } satisfies Answered);

async function answer(service: Discovery, call: Call): Promise<unknown> {
  switch (call.type) {
    case "create":
      return (await service.create({ size: call.size, baseUrl: "http://quorate.example" })).token;
    case "register":
      return register(service, call.token as Token, call.id as MemberId, call.value);
    case "list":
      return list(service, call.token as Token);
    case "wait": {
      const outcome = await service.wait({
        token: call.token as Token,
        id: undefined,
        waitIndex: call.waitIndex,
        timeoutMs: 60_000,
        signal: new AbortController().signal,
      });
      return outcome.type === "event"
        ? { id: outcome.member.id, createdIndex: outcome.member.createdIndex }
        : undefined;
    }
    default:
      throw new Error(`unknown call ${JSON.stringify(call)}`);
  }
}

async function register(
  service: Discovery,
  token: Token,
  id: MemberId,
  value: string,
): Promise<number | undefined> {
  try {
    const { member } = await service.register({ token, id, value, from: "127.0.0.1", discoveryUrls: [] });
    return member.createdIndex;
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

async function list(service: Discovery, token: Token): Promise<Listing | undefined> {
  const found = await service.find(token);
  if (found.type !== "live") return undefined;
  const { size, members } = found.cluster;
  return { size, index: found.index, members: members.map(({ id, createdIndex }) => ({ id, createdIndex })) };
}
