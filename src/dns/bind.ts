/** Binds DNS sockets: UDP and TCP on the same address and port, or one clear error that says what to do. */
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIPv6, type Server } from "node:net";
import { EnvironmentError } from "../lib/errors.ts";

/** Connections the kernel keeps for us while the event loop is busy. */
const TCP_BACKLOG = 511;

/** The addresses a listen host stands for: itself, those of a name of this machine, both wildcards for none. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (host === "") return ["0.0.0.0", "::"];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new EnvironmentError(
      "address_unknown",
      `--listen-dns: ${JSON.stringify(host)} is neither an IP address nor a name this machine can resolve`,
      { cause: error },
    );
  }
}

/** @param port 0: the kernel's choice. @returns the port. @throws EnvironmentError */
export async function bindUdp(socket: Socket, address: string, port: number): Promise<number> {
  const listening = once(socket, "listening");
  socket.bind({ address, port, exclusive: true });
  await listening.catch((error: unknown) => {
    throw cannotListen("UDP", address, port, error);
  });
  return socket.address().port;
}

/**
 * Finds out whether a UDP port can be bound, and which one, without keeping it: sockets that share a port are not
 * refused by the kernel when a stranger shares it too.
 * @throws EnvironmentError
 */
export async function probeUdp(address: string, port: number): Promise<number> {
  const socket = createSocket(isIPv6(address) ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
  try {
    return await bindUdp(socket, address, port);
  } finally {
    await new Promise<void>((resolve) => {
      socket.close(resolve);
    });
  }
}

/** @throws EnvironmentError */
export async function bindTcp(server: Server, address: string, port: number): Promise<void> {
  const listening = once(server, "listening");
  server.listen({ host: address, port, ipv6Only: isIPv6(address), exclusive: true, backlog: TCP_BACKLOG });
  await listening.catch((error: unknown) => {
    throw cannotListen("TCP", address, port, error);
  });
}

/** `[::1]:53`, `127.0.0.1:53`. */
export function showEndpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `EADDRINUSE` and such; empty where there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function cannotListen(
  transport: "UDP" | "TCP",
  address: string,
  port: number,
  error: unknown,
): EnvironmentError {
  const code = codeOf(error);
  const where = `--listen-dns ${showEndpoint(address, port)} (${transport})`;
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use by another program; stop that, or choose another port",
    EACCES: `this user may not use port ${port}; allow it (CAP_NET_BIND_SERVICE), or choose a port from 1024`,
    EADDRNOTAVAIL: "this machine does not have that address",
    EAFNOSUPPORT: "this machine has no IPv6",
  };
  const reason = sentences[code] ?? (error instanceof Error ? error.message : String(error));
  return new EnvironmentError(code, `${where}: ${reason}`, { cause: error });
}
