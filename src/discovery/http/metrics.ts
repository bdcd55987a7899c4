/**
 * What Prometheus reads. The three `endpoint_*` counters are discovery.etcd.io's, name and labels, so that its
 * dashboards keep working; everything else begins with `quorate_`.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { DnsStats } from "../../dns/start.ts";
import type { Discovery } from "../discovery.ts";
import { registerDnsMetrics } from "./dns-metrics.ts";

export type Endpoint = "new" | "token" | "health";

/** Methods that get a label of their own; others could be made up without end. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]);

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export interface HttpMetrics {
  /** One request has its answer. @param startedAt `performance.now()`; undefined for a poll, whose length says nothing. */
  answered(endpoint: Endpoint, method: string, status: number, startedAt: number | undefined): void;
  registered(role: "member" | "proxy", created: boolean): void;
  answerLost(): void;
  shed(): void;
  /** The text of `/metrics`. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** @param dns What the DNS server counts; undefined: none is served. */
export function createHttpMetrics(discovery: Discovery, dns?: () => DnsStats): HttpMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];

  const counters: Record<Endpoint, Counter<"code" | "method">> = {
    new: requestCounter("new", registers),
    token: requestCounter("token", registers),
    health: requestCounter("health", registers),
  };
  const latency = new Histogram({
    name: "quorate_http_request_duration_seconds",
    help: "Time from a request's headers to its answer, without long polls",
    labelNames: ["endpoint"],
    buckets: SECONDS,
    registers,
  });
  const durations: Record<Endpoint, { observe(seconds: number): void }> = {
    new: latency.labels("new"),
    token: latency.labels("token"),
    health: latency.labels("health"),
  };
  const registrations = new Counter({
    name: "quorate_registrations_total",
    help: "Registrations that were answered with success",
    labelNames: ["role", "repeated"],
    registers,
  });
  const answersLost = new Counter({
    name: "quorate_registration_answers_lost_total",
    help: "Connections that broke before the answer to a registration was delivered",
    registers,
  });
  const shed = new Counter({
    name: "quorate_reads_shed_total",
    help: "Reads put off with 503 because too many were being answered",
    registers,
  });
  const gauges = [
    new Gauge({
      name: "quorate_long_polls_open",
      help: "Long polls waiting for an event",
      registers: [],
      collect() {
        this.set(discovery.waiting);
      },
    }),
    new Gauge({
      name: "quorate_registry_index",
      help: "Index of the last durable event",
      registers: [],
      collect() {
        this.set(discovery.index);
      },
    }),
    new Gauge({
      name: "quorate_registry_size",
      help: "What the registry holds: clusters, members, bytes on disk",
      labelNames: ["of"],
      registers: [],
      async collect() {
        const stats = await discovery.stats();
        this.set({ of: "clusters" }, stats.clusters);
        this.set({ of: "members" }, stats.members);
        this.set({ of: "bytes" }, stats.bytes);
      },
    }),
  ];
  for (const gauge of gauges) registry.registerMetric(gauge);
  if (dns !== undefined) registerDnsMetrics(registry, dns);

  // Looking labels up costs more than counting: keep what was looked up. Methods and codes are few.
  const children = new Map<string, { inc(): void }>();
  const child = (endpoint: Endpoint, method: string, status: number): { inc(): void } => {
    const key = `${endpoint} ${method} ${status}`;
    let found = children.get(key);
    if (found === undefined) {
      found = counters[endpoint].labels(String(status), method.toLowerCase());
      children.set(key, found);
    }
    return found;
  };

  return {
    answered(endpoint, method, status, startedAt) {
      child(endpoint, METHODS.has(method) ? method : "unknown", status).inc();
      if (startedAt !== undefined) durations[endpoint].observe((performance.now() - startedAt) / 1000);
    },
    registered: (role, created) => registrations.inc({ role, repeated: created ? "false" : "true" }),
    answerLost: () => answersLost.inc(),
    shed: () => shed.inc(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function requestCounter(endpoint: Endpoint, registers: Registry[]): Counter<"code" | "method"> {
  return new Counter({
    name: `endpoint_${endpoint}_requests_total`,
    help: `Number of requests for /${endpoint}`,
    labelNames: ["code", "method"],
    registers,
  });
}
