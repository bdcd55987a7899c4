/** Who is asking: X-Forwarded-For from the right, as far as proxies are trusted. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import type { Token } from "../../../src/discovery/cluster.ts";
import { createClientAddresses, parseNetwork } from "../../../src/discovery/http/client-address.ts";
import type { HttpContext } from "../../../src/discovery/http/context.ts";
import { clientKey } from "../../../src/discovery/http/limits.ts";
import { connectionFrom } from "./harness.ts";
import { openServer } from "./socket.ts";

function addressOf(trusted: readonly string[], socket: string, forwardedFor?: string): string {
  const headers = forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor };
  const c = { env: connectionFrom(socket, headers) } as unknown as HttpContext;
  return createClientAddresses(trusted).addressOf(c);
}

const PROXIES = ["10.9.0.0/16", "2001:db8:9::/48", "192.0.2.7"];

test.each([
  // Nobody is trusted: the header is only a claim.
  [[], "10.9.0.1", "1.2.3.4", "10.9.0.1"],
  [PROXIES, "10.8.0.1", "1.2.3.4", "10.8.0.1"],
  [PROXIES, "10.9.0.1", undefined, "10.9.0.1"],
  [PROXIES, "10.9.0.1", "", "10.9.0.1"],
  [PROXIES, "10.9.0.1", "1.2.3.4", "1.2.3.4"],
  [PROXIES, "::ffff:10.9.0.1", "1.2.3.4", "1.2.3.4"],
  [PROXIES, "2001:db8:9::1", "2001:DB8::0001", "2001:db8::1"],
  // What the client wrote itself stands left of what a proxy saw.
  [PROXIES, "10.9.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"],
  [PROXIES, "10.9.0.1", "6.6.6.6, 1.2.3.4, 192.0.2.7, 10.9.3.3", "1.2.3.4"],
  [PROXIES, "10.9.0.1", "10.9.0.5, 10.9.0.6", "10.9.0.5"],
  // Nonsense ends the walk where it stands.
  [PROXIES, "10.9.0.1", "1.2.3.4, unknown, 10.9.0.2", "10.9.0.2"],
  [PROXIES, "10.9.0.1", "evil\u0000", "10.9.0.1"],
  [PROXIES, "10.9.0.1", "1.2.3.4:5678", "1.2.3.4"],
  [PROXIES, "10.9.0.1", "[2001:db8::5]:5678", "2001:db8::5"],
  [PROXIES, "10.9.0.1", "::ffff:1.2.3.4", "1.2.3.4"],
  [[], "::ffff:10.0.0.1", undefined, "10.0.0.1"],
  [[], "fe80::1%eth0", undefined, "fe80::1"],
])("proxies %j, socket %s, X-Forwarded-For %j: %s", (trusted, socket, header, client) => {
  expect(addressOf(trusted, socket, header)).toBe(client);
});

test("a client on this machine is one machine, by whichever address it came", async () => {
  const { newToken, server, discovery } = await openServer(
    {},
    { listen: ["127.0.0.1", "127.0.0.2"].map((host) => ({ scheme: "http", host, port: 0 })) },
  );
  const token = await newToken("?size=3");
  const [first = "", second = ""] = server.addresses;
  /** Registers at an address of the server, from an address of this machine. */
  const register = async (url: string, localAddress: string, id: string, value: string): Promise<void> => {
    const request = httpRequest(`${url}${token}/${id}`, {
      method: "PUT",
      localAddress,
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    });
    request.end(new URLSearchParams({ value }).toString());
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.resume().statusCode).toBe(201);
  };
  await register(first, "127.0.0.1", "a1", "a=http://127.0.0.1:1");
  await register(second, "127.0.0.2", "a2", "b=http://127.0.0.1:2");
  await register(second, "127.0.0.1", "a3", "c=http://127.0.0.1:3");
  await register(first, "127.0.0.3", "a4", "d=http://127.0.0.1:4");
  const found = await discovery.find(token.slice(1) as Token);
  const members = found.type === "live" ? found.cluster.members : [];
  expect(members.map(({ from }) => from)).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.3"]);
});

test("a trusted proxy on this machine speaks for its clients", () => {
  const own = connectionFrom("10.9.0.1", { "x-forwarded-for": "1.2.3.4" }, "10.9.0.1");
  const asked = (trusted: readonly string[]): string =>
    createClientAddresses(trusted).addressOf({ env: own } as unknown as HttpContext);
  expect(asked(PROXIES)).toBe("1.2.3.4");
  expect(asked([])).toBe("127.0.0.1");
});

test("a chain without end is not walked", () => {
  const chain = ["1.2.3.4", ...Array.from({ length: 40 }, () => "10.9.0.2")].join(", ");
  expect(addressOf(PROXIES, "10.9.0.1", chain)).toBe("10.9.0.2");
});

test("what is no network is refused", () => {
  for (const bad of ["", "x", "10.0.0.0/33", "10.0.0.0/x", "2001:db8::/129"]) {
    expect(() => parseNetwork(bad)).toThrow("expected an address or a network such as 10.0.0.0/8");
  }
});

test("limits count an IPv4 client by its address, an IPv6 one by its /64", () => {
  expect(clientKey("10.0.0.1")).toBe("10.0.0.1");
  expect(clientKey("2001:db8::1")).toBe(clientKey("2001:db8:0:0:ffff::2"));
  expect(clientKey("2001:db8::1")).not.toBe(clientKey("2001:db8:0:1::1"));
  expect(clientKey("")).toBe("");
});
