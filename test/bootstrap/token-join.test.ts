import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatId, memberId } from "../../src/bootstrap/identity.ts";
import { type Answer, readAnswer } from "../../src/bootstrap/token-answer.ts";
import { type Ask, type JoinRequest, type Step, TokenJoin } from "../../src/bootstrap/token-join.ts";
import { unreachable } from "../../src/lib/assert.ts";

const tokenUrl = "http://d/t";
const request = (name: string): JoinRequest => ({ tokenUrl, name, peerUrls: [`http://${name}:2380`] });
const idOf = (name: string): string => formatId(memberId(request(name).peerUrls, tokenUrl));
const unavailable: Answer = { type: "unavailable", reason: "connection refused" };

interface Entry {
  readonly id: string;
  readonly value: string;
  readonly createdIndex: number;
}

/** A v2 key directory in memory, which answers in JSON as etcd does. */
class Service {
  index = 10;
  readonly entries: Entry[] = [];
  readonly size: string;

  constructor(size: number | string) {
    this.size = String(size);
  }

  put(name: string, value = `${name}=http://${name}:2380`, id = idOf(name)): Entry {
    const entry = { id, value, createdIndex: ++this.index };
    this.entries.push(entry);
    return entry;
  }

  /** Undefined: a poll with nothing to say yet. */
  answer(ask: Ask): Answer | undefined {
    switch (ask.type) {
      case "size":
        return this.#answer(200, { action: "get", node: { key: "/t/_config/size", value: this.size } });
      case "list":
        return this.#answer(200, {
          action: "get",
          node: { key: "/t", dir: true, nodes: this.entries.map((entry) => this.#node(entry)).toReversed() },
        });
      case "register": {
        if (this.entries.some(({ id }) => id === ask.id))
          return this.#answer(412, {
            errorCode: 105,
            message: "Key already exists",
            cause: `/t/${ask.id}`,
            index: this.index,
          });
        const [name = ""] = ask.value.split("=");
        return this.#answer(201, { action: "create", node: this.#node(this.put(name, ask.value, ask.id)) });
      }
      case "watchSelf":
      case "watchPeers": {
        const event = this.entries.find(
          ({ id, createdIndex }) =>
            createdIndex >= ask.waitIndex && (ask.type === "watchPeers" || id === ask.id),
        );
        return event === undefined
          ? undefined
          : this.#answer(200, { action: "create", node: this.#node(event) });
      }
      default:
        return unreachable(ask);
    }
  }

  #node({ id, value, createdIndex }: Entry): object {
    return { key: `/t/${id}`, value, createdIndex, modifiedIndex: createdIndex };
  }

  #answer(status: number, body: object): Answer {
    return readAnswer(status, String(this.index), JSON.stringify(body), 0);
  }
}

/** Lets one member ask until it waits for others, pauses, or ends. */
function drive(
  join: TokenJoin,
  service: Service,
  from: Step = join.start(),
): { step: Step; asked: string[] } {
  const asked: string[] = [];
  let step = from;
  while (step.type === "ask") {
    asked.push(`${step.ask.type}${"waitIndex" in step.ask ? ` ${step.ask.waitIndex}` : ""}`);
    const answer = service.answer(step.ask);
    if (answer === undefined) break;
    step = join.answered(answer, 0);
  }
  return { step, asked };
}

const failure = (step: Step): string => {
  if (step.type !== "failed") throw new Error(`expected a failure, got ${JSON.stringify(step)}`);
  return `${step.error.code}: ${step.error.message}`;
};

describe("the order of questions is etcd's", () => {
  test("the first member registers, sees itself, and waits from the index after the list", () => {
    const service = new Service(2);
    const join = new TokenJoin(request("a"));
    expect(join.progress).toBeUndefined();
    const { asked, step } = drive(join, service);
    expect(asked).toEqual(["size", "list", "register", "watchSelf 11", "size", "list", "watchPeers 12"]);
    expect(join.progress).toEqual({ size: 2, names: ["a"] });

    service.put("b");
    expect(drive(join, service, step).step).toEqual({
      type: "joined",
      before: false,
      cluster: {
        text: "a=http://a:2380,b=http://b:2380",
        token: tokenUrl,
        members: new Map([
          ["a", ["http://a:2380"]],
          ["b", ["http://b:2380"]],
        ]),
      },
    });
  });

  test("the last member does not wait", () => {
    const service = new Service(2);
    service.put("b");
    const { asked, step } = drive(new TokenJoin(request("a")), service);
    expect(asked).toEqual(["size", "list", "register", "watchSelf 12", "size", "list"]);
    expect(step).toMatchObject({ type: "joined", cluster: { text: "b=http://b:2380,a=http://a:2380" } });
  });
});

describe("a full cluster", () => {
  test("is seen before registering", () => {
    const service = new Service(1);
    service.put("b");
    const { asked, step } = drive(new TokenJoin(request("a")), service);
    expect(asked).toEqual(["size", "list"]);
    expect(failure(step)).toMatch(
      /^cluster_full: discovery: cluster is full: the token is for 1 member, and b=/,
    );
  });

  test("is seen after a race for the last place was lost", () => {
    const service = new Service(1);
    const join = new TokenJoin(request("a"));
    let step = join.start();
    for (let i = 0; i < 2 && step.type === "ask"; i++)
      step = join.answered(service.answer(step.ask) ?? unavailable, 0);
    service.put("b");
    expect(failure(drive(join, service, step).step)).toMatch(/^cluster_full/);
  });
});

describe("a member that comes again", () => {
  test("while others are missing: waits without registering twice", () => {
    const service = new Service(2);
    service.put("a");
    const { asked } = drive(new TokenJoin(request("a")), service);
    expect(asked).toEqual(["size", "list", "watchPeers 12"]);
  });

  test("after completion: gets the same cluster, and is told that it had registered before", () => {
    const service = new Service(2);
    service.put("a");
    service.put("b");
    expect(drive(new TokenJoin(request("a")), service).step).toMatchObject({ type: "joined", before: true });
  });

  test("under another name: the id is taken", () => {
    const service = new Service(2);
    service.put("a", "other=http://a:2380");
    expect(failure(drive(new TokenJoin(request("a")), service).step)).toMatch(
      /^duplicate_id: discovery: found duplicate id: .* other=http:\/\/a:2380 holds it/,
    );
  });
});

describe("lost answers", () => {
  test("a registration that was stored is found in the list, and is not an earlier one", () => {
    const service = new Service(1);
    const join = new TokenJoin(request("a"));
    let step = join.start();
    while (step.type === "ask" && step.ask.type !== "register")
      step = join.answered(service.answer(step.ask) ?? unavailable, 0);
    if (step.type === "ask") service.answer(step.ask);
    step = join.answered(unavailable, 1);
    expect(step).toEqual({ type: "pause", ms: 1000, reason: "connection refused" });
    expect(drive(join, service, join.resumed()).step).toMatchObject({ type: "joined", before: false });
  });

  test("a registration that was not stored is made again", () => {
    const service = new Service(1);
    const join = new TokenJoin(request("a"));
    let step = join.start();
    while (step.type === "ask" && step.ask.type !== "register")
      step = join.answered(service.answer(step.ask) ?? unavailable, 0);
    join.answered(unavailable, 1);
    const { asked } = drive(join, service, join.resumed());
    expect(asked).toEqual(["size", "list", "register", "watchSelf 11", "size", "list"]);
  });

  test("pauses double up to half a minute, are spread by the random number, and start over after a success", () => {
    const join = new TokenJoin(request("a"));
    join.start();
    const pauses = Array.from({ length: 8 }, () => {
      const step = join.answered(unavailable, 1);
      join.resumed();
      return step.type === "pause" ? step.ms : 0;
    });
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(join.answered(unavailable, 0)).toMatchObject({ ms: 15_000 });
    join.resumed();
    join.answered(new Service(1).answer({ type: "size" }) ?? unavailable, 0);
    expect(join.answered(unavailable, 1)).toMatchObject({ ms: 1000 });
  });

  test("a service that cannot store now (300) is asked again", () => {
    const join = new TokenJoin(request("a"));
    join.start();
    const refused: Answer = { type: "refused", errorCode: 300, sentence: "300: disk full", cause: "" };
    expect(join.answered(refused, 0)).toMatchObject({ type: "pause", reason: "300: disk full" });
  });
});

describe("polls", () => {
  const waiting = (): TokenJoin => {
    const join = new TokenJoin(request("a"));
    drive(join, new Service(2));
    return join;
  };

  test("one that ended quietly is asked again at once, from the same index", () => {
    expect(waiting().answered({ type: "quiet", afterMs: 50_000 }, 0)).toEqual({
      type: "ask",
      ask: { type: "watchPeers", waitIndex: 12 },
    });
  });

  test("one that ends at once does not become a loop", () => {
    const join = waiting();
    expect(join.answered({ type: "quiet", afterMs: 3 }, 0)).toEqual({
      type: "pause",
      ms: 1000,
      reason: undefined,
    });
    expect(join.resumed()).toEqual({ type: "ask", ask: { type: "watchPeers", waitIndex: 12 } });
  });

  test.each([
    ["a deletion", { action: "delete", id: "b" }],
    ["a member counted already", { action: "set", id: idOf("a") }],
  ])("%s is no new member: the list is read anew", (_what, { action, id }) => {
    const node = { id, value: "", createdIndex: 11, modifiedIndex: 13 };
    const join = waiting();
    expect(join.answered({ type: "node", action, node, children: [], index: 13 }, 0)).toEqual({
      type: "ask",
      ask: { type: "size" },
    });
  });

  test("history that the service no longer has is read from the list", () => {
    const cleared: Answer = { type: "refused", errorCode: 401, sentence: "401: cleared", cause: "" };
    expect(waiting().answered(cleared, 0)).toEqual({ type: "ask", ask: { type: "size" } });
  });

  test("without X-Etcd-Index the wait begins after the newest member of the list", () => {
    const join = new TokenJoin(request("a"));
    const { step } = drive(join, new Service(2));
    expect(step.type).toBe("ask");
    join.answered({ type: "refused", errorCode: 401, sentence: "", cause: "" }, 0);
    const own = { id: idOf("a"), value: "a=http://a:2380", createdIndex: 20, modifiedIndex: 20 };
    const plain = { type: "node", action: "get", index: undefined } as const;
    join.answered({ ...plain, node: { ...own, value: "2" }, children: [] }, 0);
    expect(join.answered({ ...plain, node: own, children: [own] }, 0)).toEqual({
      type: "ask",
      ask: { type: "watchPeers", waitIndex: 21 },
    });
  });
});

describe("what cannot go on says why", () => {
  const refusedAtStart = (answer: Answer): string => {
    const join = new TokenJoin(request("a"));
    join.start();
    return failure(join.answered(answer, 0));
  };

  test("an unknown token, with the service's reason", () => {
    const answer = readAnswer(
      404,
      null,
      '{"errorCode":100,"message":"Key not found","cause":"expired at noon","index":3}',
      0,
    );
    expect(refusedAtStart(answer)).toMatch(
      /^token_unknown: 100: Key not found \(expired at noon\) \[3\]: .* `quorate new`/,
    );
  });

  test("something else that answers", () => {
    expect(refusedAtStart(readAnswer(200, null, "<html>hello", 0))).toMatch(
      /^bad_endpoint: discovery: bad discovery endpoint: it answered 200 without .*: <html>hello/,
    );
  });

  test.each(["0", "-1", "abc", "", "3.0", " 3"])("the size %j", (size) => {
    expect(failure(drive(new TokenJoin(request("a")), new Service(size)).step)).toMatch(
      /^size_bad: discovery: size key is bad/,
    );
  });

  test.each([
    ["duplicate_name", "a=http://elsewhere:2380"],
    ["duplicate_url", "b=http://a:2380,b=http://b:2380"],
  ])("%s, before the token is spoilt", (code, value) => {
    const service = new Service(3);
    service.put("b", value);
    const { step, asked } = drive(new TokenJoin(request("a")), service);
    expect(failure(step)).toMatch(new RegExp(`^${code}: discovery`));
    expect(asked).not.toContain("register");
  });

  test("a registration that was deleted", () => {
    const service = new Service(2);
    const join = new TokenJoin(request("a"));
    drive(join, service);
    service.entries.pop();
    service.index++;
    const step = join.answered({ type: "refused", errorCode: 401, sentence: "", cause: "" }, 0);
    expect(failure(drive(join, service, step).step)).toMatch(/^member_removed/);
  });

  test("a refusal in the service's words", () => {
    const refused: Answer = {
      type: "refused",
      errorCode: 209,
      sentence: "209: Invalid field (no port)",
      cause: "",
    };
    expect(refusedAtStart(refused)).toBe("refused_by_service: 209: Invalid field (no port)");
  });
});

test("any number of members in any order, with answers lost before or after their effect: all agree, extras are told", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 3 }),
      fc.infiniteStream(fc.nat(1_000_000)),
      (size, extras, choices) => {
        const choose = (bound: number): number => (choices.next().value ?? 0) % bound;
        const service = new Service(size);
        const running = Array.from({ length: size + extras }, (_, i) => {
          const join = new TokenJoin(request(`m${i}`));
          return { join, step: join.start() };
        });
        let faults = 40;
        for (let turn = 0; turn < 5000; turn++) {
          const open = running.filter(({ step }) => step.type === "ask" || step.type === "pause");
          const one = open[choose(Math.max(1, open.length))];
          if (one === undefined) break;
          if (one.step.type === "pause") one.step = one.join.resumed();
          if (one.step.type !== "ask") continue;
          const fault = faults > 0 ? choose(6) : 5;
          if (fault < 2) faults--;
          const answer = fault === 0 ? unavailable : service.answer(one.step.ask);
          if (fault === 1) one.step = one.join.answered(unavailable, 0.5);
          else if (answer !== undefined) one.step = one.join.answered(answer, 0.5);
        }
        const joined = running.flatMap(({ step }) => (step.type === "joined" ? [step.cluster.text] : []));
        const refused = running.flatMap(({ step }) => (step.type === "failed" ? [step.error.code] : []));
        expect(joined).toHaveLength(size);
        expect(new Set(joined).size).toBe(1);
        expect(refused).toEqual(Array.from({ length: extras }, () => "cluster_full"));
      },
    ),
    { numRuns: 300 },
  );
});
