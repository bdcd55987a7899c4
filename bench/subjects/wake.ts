/**
 * A registration and the member that waits for it: how long a PUT takes, and how long until a long poll that was
 * waiting has its answer. One at a time, over kept-alive connections.
 */
import { Agent, request } from "node:http";
import { EnvironmentError } from "../../src/lib/errors.ts";
import type { Report } from "../report.ts";
import { alternate, medianOf, sampleOf } from "../rounds.ts";
import { progress, type Run } from "../run.ts";
import { etcdVersion, startEtcd } from "../servers/etcd.ts";
import { etcdDiscoveryMissing, etcdDiscoveryName, startEtcdDiscovery } from "../servers/etcd-discovery.ts";
import { startQuorate } from "../servers/quorate.ts";
import { MEMBERS, memberId } from "../zone.ts";

/** Clusters of three that are registered in one second of a measurement; about what the slowest one does. */
const CLUSTERS_PER_SECOND = 40;

interface Answer {
  readonly status: number;
  readonly index: number;
  readonly text: string;
}

interface Contender {
  readonly name: string;
  /** Makes a token of three. @returns its discovery URL. */
  readonly create: () => Promise<string>;
}

interface Times {
  readonly put: number;
  readonly woken: number;
}

/** One connection, so that the waiter and the writer never wait for each other in the client. */
class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  ask(method: string, url: string, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
      const asking = request(url, { method, headers, agent: this.#agent }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          if (status >= 400)
            reject(new EnvironmentError("load_failed", `${method} ${url}: ${status} ${text}`));
          else resolve({ status, index: Number(response.headers["x-etcd-index"] ?? 0), text });
        });
      });
      asking.on("error", reject);
      asking.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Registers the members of one new cluster while a poll waits for each. */
async function oneCluster(
  create: () => Promise<string>,
  writer: Connection,
  waiter: Connection,
): Promise<Times[]> {
  const discoveryUrl = await create();
  let { index } = await writer.ask("GET", discoveryUrl);
  const times: Times[] = [];
  for (let member = 0; member < MEMBERS; member++) {
    const peerUrl = `http://10.0.0.${10 + member}:2380`;
    const woken = waiter.ask("GET", `${discoveryUrl}?recursive=true&wait=true&waitIndex=${index + 1}`);
    // Any answer on another connection, sent later, shows that the server has read the poll.
    await writer.ask("GET", discoveryUrl);
    const start = performance.now();
    const stop = async (answer: Promise<Answer>): Promise<[Answer, number]> => [
      await answer,
      performance.now() - start,
    ];
    const body = new URLSearchParams({ value: `infra${member}=${peerUrl}` }).toString();
    const url = `${discoveryUrl}/${memberId(peerUrl, discoveryUrl)}?prevExist=false`;
    const [[, put], [event, wake]] = await Promise.all([stop(writer.ask("PUT", url, body)), stop(woken)]);
    const { node } = JSON.parse(event.text) as { node: { modifiedIndex: number } };
    index = node.modifiedIndex;
    times.push({ put, woken: wake });
  }
  return times;
}

export async function measureWake(run: Run): Promise<Report> {
  const missing: string[] = [];
  const quorate = await startQuorate(run, "wake-quorate");
  const viaNew = (url: string) => async (): Promise<string> =>
    (await fetch(`${url}/new?size=${MEMBERS}`)).text();
  const contenders: Contender[] = [{ name: "quorate", create: viaNew(quorate.url) }];

  const version = etcdVersion();
  if (version === undefined) {
    missing.push("registration against etcd: etcd is not installed (Debian package etcd-server)");
  } else {
    const etcd = await startEtcd(run, "wake-etcd");
    const admin = new Connection();
    let count = 0;
    const create = async (): Promise<string> => {
      const url = `${etcd.url}/v2/keys/discovery/bench-${count++}`;
      await admin.ask("PUT", `${url}/_config/size`, `value=${MEMBERS}`);
      return url;
    };
    contenders.push({ name: `etcd ${version}, v2 keys`, create });
  }
  const reason = etcdDiscoveryMissing();
  if (reason === undefined) {
    const peer = await startEtcdDiscovery(run, "wake-etcd-discovery");
    contenders.push({ name: etcdDiscoveryName(), create: viaNew(peer.url) });
  } else {
    missing.push(`registration against ${reason}`);
  }

  const measure = async ({ name, create }: Contender, seconds: number): Promise<Times> => {
    const [writer, waiter] = [new Connection(), new Connection()];
    const times: Times[] = [];
    for (let cluster = 0; cluster < seconds * CLUSTERS_PER_SECOND; cluster++) {
      times.push(...(await oneCluster(create, writer, waiter)));
    }
    writer.close();
    waiter.close();
    const result = {
      put: medianOf(times.map(({ put }) => put)),
      woken: medianOf(times.map(({ woken }) => woken)),
    };
    progress(`  registration: ${name} ${result.put.toFixed(2)} ms, waiter ${result.woken.toFixed(2)} ms`);
    return result;
  };
  for (const contender of contenders) await measure(contender, 1);
  const rounds = await alternate(contenders, run.rounds, (contender) => measure(contender, run.seconds));
  const comparison = (title: string, pick: (times: Times) => number) => ({
    title,
    unit: "ms, median",
    better: "less" as const,
    lines: contenders.map(({ name }, at) => ({
      server: name,
      sample: sampleOf((rounds[at] ?? []).map((times) => ({ value: pick(times) }))),
    })),
  });
  return {
    comparisons: [
      comparison("registration, PUT to its answer", ({ put }) => put),
      comparison("registration, PUT to the waiting member's answer", ({ woken }) => woken),
    ],
    missing,
  };
}
