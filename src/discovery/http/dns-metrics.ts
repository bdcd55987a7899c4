/** What the DNS server has counted, as Prometheus metrics: read when they are asked for. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DnsStats } from "../../dns/start.ts";

export function registerDnsMetrics(registry: Registry, stats: () => DnsStats): void {
  const total = (
    name: string,
    help: string,
    label: string,
    read: (now: DnsStats) => Readonly<Record<string, number>>,
  ): void => {
    const counter = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read(stats()))) {
          this.inc({ [label]: value }, count);
        }
      },
    });
    registry.registerMetric(counter);
  };
  const gauge = (name: string, help: string, read: (now: DnsStats) => number): void => {
    const metric = new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read(stats()));
      },
    });
    registry.registerMetric(metric);
  };

  total("quorate_dns_queries_total", "DNS queries that were answered", "transport", (now) => ({
    udp: now.udpQueries,
    tcp: now.tcpQueries,
    https: now.httpsQueries,
  }));
  total("quorate_dns_answer_cache_total", "DNS answers by where they came from", "result", (now) => ({
    hit: now.cache.hits,
    miss: now.cache.misses,
  }));
  total("quorate_dns_limited_total", "UDP queries sent to TCP by the rate limit", "action", (now) => ({
    truncated: now.rateLimited,
  }));
  total("quorate_dns_transfers_total", "Zone transfers served", "type", (now) => ({ axfr: now.transfers }));
  gauge("quorate_dns_tcp_connections", "Open DNS connections over TCP", (now) => now.tcpConnections);
  gauge("quorate_dns_answer_cache_bytes", "Wire bytes of kept DNS answers", (now) => now.cache.bytes);
}
