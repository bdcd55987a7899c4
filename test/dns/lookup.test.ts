import { expect, test } from "vitest";
import { lookup, type Part } from "../../src/dns/lookup.ts";
import { TYPE } from "../../src/dns/protocol.ts";

const part: Part = {
  records: [
    { name: "zone", type: "NS", ttl: 1, data: ["ns.zone", "ns.elsewhere"] },
    { name: "ns.zone", type: "A", ttl: 1, data: ["10.0.0.1"] },
    {
      name: "_s._tcp.zone",
      type: "SRV",
      ttl: 1,
      data: [{ priority: 0, weight: 0, port: 1, target: "M.zone" }],
    },
    { name: "m.zone", type: "AAAA", ttl: 1, data: ["fd00::1"] },
    { name: "m.zone", type: "TXT", ttl: 1, data: [["x"]] },
  ],
  names: ["empty.below.zone"],
};
const [ns, a, srv, aaaa] = part.records;

test("what is there, with the addresses of what it points to", () => {
  expect(lookup(part, "zone", TYPE.NS)).toEqual({ type: "success", answer: ns, additional: [a] });
  expect(lookup(part, "_s._tcp.zone", TYPE.SRV)).toEqual({
    type: "success",
    answer: srv,
    additional: [aaaa],
  });
  expect(lookup(part, "m.zone", TYPE.AAAA)).toEqual({ type: "success", answer: aaaa, additional: [] });
});

test("ANY gets one set and nothing with it", () => {
  expect(lookup(part, "zone", TYPE.ANY)).toEqual({ type: "success", answer: ns, additional: [] });
});

test.each(["m.zone", "_tcp.zone", "empty.below.zone", "below.zone"])("%s exists without an A", (name) => {
  expect(lookup(part, name, TYPE.A)).toEqual({ type: "noData" });
});

test.each(["x.zone", "x.m.zone", "cp.zone", "x.empty.below.zone"])("%s does not exist", (name) => {
  expect(lookup(part, name, TYPE.A)).toEqual({ type: "nameError" });
});
