/** The rules against a slow and obvious model, on random requests. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Cluster,
  initialCluster,
  isSealed,
  type MemberId,
  votersOf,
} from "../../src/discovery/cluster.ts";
import { answerFromHistory } from "../../src/discovery/history.ts";
import { loseAnswer, registerMember, removeMember } from "../../src/discovery/registry.ts";
import { unreachable } from "../../src/lib/assert.ts";
import { RefusedError } from "../../src/lib/errors.ts";
import { NOW, newCluster, request } from "./make.ts";

interface Node {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly index: number;
  answered: boolean;
}

/** A token as one would keep it on paper. */
class Model {
  readonly size: number;
  nodes: Node[] = [];
  sealed = false;
  index = 2;

  constructor(size: number) {
    this.size = size;
  }

  register(id: string, name: string, url: string): string {
    const place = this.nodes.findIndex((node) => node.id === id);
    const held = this.nodes[place];
    if (held !== undefined) {
      if (held.name !== name || held.url !== url) return "member_exists";
      if (this.sealed && place < this.size && held.answered) return "member_exists";
      held.answered = true;
      return `repeated ${held.index} ${place}`;
    }
    if (this.nodes.length < this.size) {
      for (const node of this.nodes) {
        if (node.name === name) return "name_taken";
        if (node.url === url) return "url_taken";
      }
    }
    this.index++;
    this.nodes.push({ id, name, url, index: this.index, answered: true });
    if (this.nodes.length === this.size) this.sealed = true;
    return `created ${this.index} ${this.nodes.length - 1}`;
  }

  remove(id: string): string {
    if (!this.nodes.some((node) => node.id === id)) return "member_unknown";
    if (this.sealed) return "sealed";
    this.index++;
    this.nodes = this.nodes.filter((node) => node.id !== id);
    return "removed";
  }

  step(type: "register" | "remove" | "lose", id: string, name: string, url: string): string {
    if (type === "register") return this.register(id, name, url);
    return type === "remove" ? this.remove(id) : this.lose(id);
  }

  lose(id: string): string {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node !== undefined) node.answered = false;
    return "lost";
  }
}

const few = fc.integer({ min: 1, max: 6 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("register" as const), id: few, name: few, url: few }),
  },
  // What etcd does: id, name and URL belong together.
  { weight: 6, arbitrary: few.map((n) => ({ type: "register" as const, id: n, name: n, url: n })) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), id: few }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lose" as const), id: few }) },
);

function idOf(n: number): MemberId {
  return `${n}${n}` as MemberId;
}

function codeOf(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof RefusedError) return error.code;
    throw error;
  }
}

function checkInvariants(cluster: Cluster, model: Model): void {
  const indexes = cluster.members.map((member) => member.createdIndex);
  expect(indexes).toEqual(model.nodes.map((node) => node.index));
  expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
  expect(new Set(cluster.members.map(({ id }) => id)).size).toBe(indexes.length);
  expect(isSealed(cluster)).toBe(model.sealed);
  expect(cluster.members.map(({ answered }) => answered)).toEqual(
    model.nodes.map(({ answered }) => answered),
  );
  const voters = votersOf(cluster);
  expect(new Set(voters.map(({ name }) => name)).size).toBe(voters.length);
  expect(new Set(voters.flatMap(({ peerUrls }) => peerUrls)).size).toBe(voters.length);
  expect(voters.length).toBeLessThanOrEqual(cluster.size);
  expect(cluster.sealedIndex).toBe(model.sealed ? voters[cluster.size - 1]?.createdIndex : undefined);
  expect(initialCluster(cluster)).toBe(model.sealed ? voters.map(({ value }) => value).join(",") : undefined);
  expect(model.sealed || cluster.members.length < cluster.size).toBe(true);
}

test("the rules agree with the model on any sequence of requests", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 40 }), (size, steps) => {
      const model = new Model(size);
      let cluster = newCluster(size);
      let index = 2;
      for (const next of steps) {
        const before = cluster;
        const copy = structuredClone(before);
        const url = next.type === "register" ? `http://10.0.0.${next.url}:2380` : "";
        const got = codeOf(() => {
          const moment = { now: NOW, nextIndex: index + 1 };
          switch (next.type) {
            case "register": {
              const value = `m${next.name}=${url}`;
              const wanted = request(1, { id: idOf(next.id), value, from: "10.0.0.9", discoveryUrls: [] });
              const plan = registerMember(cluster, wanted, moment);
              cluster = plan.cluster;
              if (plan.created) index++;
              return `${plan.created ? "created" : "repeated"} ${plan.member.createdIndex} ${plan.rank}`;
            }
            case "remove":
              cluster = removeMember(cluster, idOf(next.id), moment).cluster;
              index++;
              return "removed";
            case "lose": {
              const member = cluster.members.find(({ id }) => id === idOf(next.id));
              if (member !== undefined)
                cluster = loseAnswer(cluster, member.id, member.createdIndex) ?? cluster;
              return "lost";
            }
            default:
              return unreachable(next);
          }
        });
        expect(got).toBe(
          model.step(next.type, idOf(next.id), next.type === "register" ? `m${next.name}` : "", url),
        );
        expect(before).toEqual(copy);
        expect(index).toBe(model.index);
        checkInvariants(cluster, model);
      }
    }),
    { numRuns: 1000 },
  );
});

/**
 * A client as etcd's: reads, then waits from the index of its read, then from after each event it got; starts over
 * when it is cut off. It counts every event as one more peer.
 */
test("a client that reads and waits counts exactly the members there are, whenever it reads", () => {
  fc.assert(
    fc.property(
      fc.array(few, { maxLength: 30 }),
      fc.array(fc.boolean(), { maxLength: 60 }),
      (nodes, turns) => {
        let cluster = newCluster(6);
        let index = 2;
        let seen: number[] | undefined;
        let waitIndex = 0;
        const poll = (): boolean => {
          if (seen === undefined) {
            seen = cluster.members.map(({ createdIndex }) => createdIndex);
            waitIndex = index + 1;
            return true;
          }
          const answer = answerFromHistory(cluster, undefined, waitIndex);
          if (answer.type === "none") return false;
          if (answer.type === "stale") {
            seen = undefined;
            return true;
          }
          seen.push(answer.member.createdIndex);
          waitIndex = answer.member.createdIndex + 1;
          return true;
        };
        const events = nodes.values();
        for (const mayPoll of [...turns, ...nodes.map(() => false)]) {
          if (mayPoll) {
            poll();
            continue;
          }
          const n = events.next().value;
          if (n === undefined || isSealed(cluster)) continue;
          // A node that is there leaves, one that is not comes.
          const present = cluster.members.some(({ id }) => id === idOf(n));
          const moment = { now: NOW, nextIndex: index + 1 };
          cluster = present
            ? removeMember(cluster, idOf(n), moment).cluster
            : registerMember(cluster, request(n, { id: idOf(n), discoveryUrls: [] }), moment).cluster;
          index++;
        }
        while (poll()) expect(waitIndex).toBeLessThanOrEqual(index + 1);
        expect(seen).toEqual(cluster.members.map(({ createdIndex }) => createdIndex));
      },
    ),
    { numRuns: 2000 },
  );
});
