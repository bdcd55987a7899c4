/** Drives the service as users run it: `quorate serve`, HTTP on a port of its own choice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Died, type Listing, type ServiceUnderTest, type Start } from "./service-under-test.ts";

const MAIN = join(import.meta.dirname, "../../../src/main.ts");

interface Answer {
  readonly status: number;
  readonly index: number;
  readonly body: string;
}

interface Node {
  readonly key: string;
  readonly value?: string;
  readonly createdIndex: number;
  readonly nodes?: readonly Node[];
}

export const startOverHttp: Start = (folder) => {
  const flags = ["--listen-http=http://127.0.0.1:0", "--listen-dns=", "--rate-limit=0", `--data=${folder}`];
  const child = spawn(process.execPath, [MAIN, "serve", ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const said: string[] = [];
  const ready = new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on("line", (line) => {
      said.push(line);
      const address = /"listen-http":\["([^"]+)"/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.on("close", (code) => {
      reject(code === null ? new Died("killed") : new Error(`quorate ended by itself:\n${said.join("\n")}`));
    });
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null) throw new Error(`the service ended by itself with code ${child.exitCode}`);
    child.kill("SIGKILL");
    await exited;
  };
  return { ready: ready.then((address) => overHttp(address, kill)), kill };
};

function overHttp(address: string, kill: () => Promise<void>): ServiceUnderTest {
  const agent = new Agent({ keepAlive: true });
  const ask = (method: string, path: string, form?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const died = (error: Error): void => reject(new Died(error.message));
      const headers = form === undefined ? {} : { "Content-Type": "application/x-www-form-urlencoded" };
      const outgoing = request(`${address}${path}`, { method, agent, headers }, (incoming) => {
        let body = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          body += chunk;
        });
        incoming.on("end", () => {
          const index = Number(incoming.headers["x-etcd-index"] ?? 0);
          if (incoming.complete) resolve({ status: incoming.statusCode ?? 0, index, body });
        });
        incoming.on("error", died);
        incoming.on("close", () => died(new Error("cut off")));
      });
      outgoing.on("error", died);
      outgoing.end(form);
    });
  const nodeOf = (body: string): Node => (JSON.parse(body) as { node: Node }).node;
  const idOf = (key: string): string => key.split("/").at(-1) ?? "";
  return {
    async create(size) {
      const { status, body } = await ask("GET", `/new?size=${size}`);
      if (status !== 200) throw new Error(`/new: ${status} ${body}`);
      return idOf(body);
    },
    async register(token, id, value) {
      const { status, body } = await ask(
        "PUT",
        `/${token}/${id}?prevExist=false`,
        `value=${encodeURIComponent(value)}`,
      );
      if (status === 201 || status === 200) return nodeOf(body).createdIndex;
      if (status === 412) return undefined;
      throw new Error(`registration: ${status} ${body}`);
    },
    async list(token): Promise<Listing | undefined> {
      const size = await ask("GET", `/${token}/_config/size`);
      const { status, index, body } = await ask("GET", `/${token}`);
      if (status === 404) return undefined;
      const members = (nodeOf(body).nodes ?? []).map(({ key, createdIndex }) => ({
        id: idOf(key),
        createdIndex,
      }));
      return { size: Number(nodeOf(size.body).value), index, members };
    },
    async wait(token, waitIndex) {
      const { body } = await ask("GET", `/${token}?recursive=true&wait=true&waitIndex=${waitIndex}`);
      if (body === "") return undefined;
      const { key, createdIndex } = nodeOf(body);
      return { id: idOf(key), createdIndex };
    },
    async kill() {
      await kill();
      agent.destroy();
    },
  };
}
