/**
 * The same requests to a real etcd 3.4 and to quorate's custom form, answer by answer: status, type, index header and
 * the whole JSON. Where quorate decided otherwise (docs/protocol.md) the request says what it answers instead, and
 * why; a difference that has gone must leave this list.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { type EtcdBinaries, etcd34 } from "./support/binaries.ts";
import { startLoner } from "./support/etcd.ts";
import { type Lab, openLab } from "./support/lab.ts";
import { Quorate } from "./support/quorate.ts";

/** Indexes are counted from the token's creation, which is 1: only their distances mean something. Tokens are `t`. */
interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly index: number | undefined;
  readonly body: unknown;
}

interface Node {
  readonly createdIndex: number;
}

interface Step {
  readonly title: string;
  readonly method?: string;
  /** Below the token. `$N` stands for index N, counted as above. */
  readonly path: string;
  readonly value?: string;
  readonly decided?: { readonly why: string; readonly answer: Partial<Answer> };
}

// Not in the order of registration, so that sorting shows.
const [FIRST, SECOND, THIRD] = ["b1", "a2", "c3"] as const;
/** As a member asks for it. */
const READ = "?quorum=false&recursive=false&sorted=false";
const error = (errorCode: number, message: string, index: number): unknown => ({ errorCode, message, index });
const invalid = (index: number): unknown => error(209, "Invalid field", index);

/** What happens to a token, in order. No step makes an event on one side only. */
const LIFE: readonly Step[] = [
  { title: "a token that nobody made", path: READ },
  { title: "its size", path: `/_config/size${READ}` },
  { title: "HEAD of it", method: "HEAD", path: "" },
  { title: "the size is set", method: "PUT", path: "/_config/size", value: "4" },
  { title: "an empty token", path: READ },
  { title: "with a final slash", path: `/${READ}` },
  { title: "HEAD", method: "HEAD", path: "" },
  { title: "its size", path: `/_config/size${READ}` },
  { title: "HEAD of the size", method: "HEAD", path: "/_config/size" },
  { title: "its hidden folder", path: "/_config" },
  { title: "what is not in there", path: "/_config/colour" },
  {
    title: "a registration",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    value: "m1=http://127.0.0.1:1",
  },
  {
    title: "the same again, while the cluster is not complete",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    value: "m1=http://127.0.0.1:1",
    decided: {
      why: "the answer was lost, or the machine rebooted: its success again",
      answer: {
        status: 201,
        index: 2,
        body: {
          action: "create",
          node: {
            key: `/discovery/t/${FIRST}`,
            value: "m1=http://127.0.0.1:1",
            modifiedIndex: 2,
            createdIndex: 2,
          },
        },
      },
    },
  },
  {
    title: "the same id with another value",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    value: "m1=http://127.0.0.1:99",
  },
  {
    title: "a second registration",
    method: "PUT",
    path: `/${SECOND}?prevExist=false`,
    value: "m2=http://127.0.0.1:2,m2=http://127.0.0.2:2",
  },
  { title: "both", path: READ },
  { title: "both, with everything below", path: "?recursive=true" },
  { title: "both, sorted by key", path: "?sorted=true" },
  { title: "one member", path: `/${SECOND}${READ}` },
  { title: "HEAD of it", method: "HEAD", path: `/${SECOND}` },
  { title: "a member that is not there", path: "/9" },
  { title: "the event of one member", path: `/${FIRST}?recursive=false&wait=true&waitIndex=$2` },
  { title: "the next event of the token", path: "?recursive=true&wait=true&waitIndex=$2" },
  { title: "and the one after", path: "?recursive=true&wait=true&waitIndex=$3" },
  { title: "with a final slash", path: "/?recursive=true&wait=true&waitIndex=$3" },
  {
    title: "events from the creation on",
    path: "?recursive=true&wait=true&waitIndex=$1",
    decided: {
      why: "a client counts every event as one more peer: members only",
      answer: {
        status: 200,
        body: {
          action: "create",
          node: {
            key: `/discovery/t/${FIRST}`,
            value: "m1=http://127.0.0.1:1",
            modifiedIndex: 2,
            createdIndex: 2,
          },
        },
      },
    },
  },
  {
    title: "an index that is none",
    path: "?recursive=true&wait=true&waitIndex=zz",
    decided: { why: "one code for what cannot be read", answer: { status: 400, index: 3, body: invalid(3) } },
  },
  ...["wait=maybe", "sorted=maybe"].map((parameter) => ({
    title: parameter,
    path: `?${parameter}`,
    decided: {
      why: "every answer carries the index; etcd's says 0 here",
      answer: { status: 400, index: 3, body: invalid(3) },
    },
  })),
  {
    title: "prevExist=maybe",
    method: "PUT",
    path: `/${THIRD}?prevExist=maybe`,
    value: "m3=http://127.0.0.1:3",
    decided: {
      why: "every answer carries the index; etcd's says 0 here",
      answer: { status: 400, index: 3, body: invalid(3) },
    },
  },
  {
    title: "a change of what is not there",
    method: "PUT",
    path: `/${THIRD}?prevExist=true`,
    value: "m3=http://127.0.0.1:3",
  },
  { title: "a member leaves", method: "DELETE", path: `/${FIRST}` },
  { title: "it has left", method: "DELETE", path: `/${FIRST}` },
  { title: "it is not listed", path: READ },
  {
    title: "it comes back at the end of the order",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    value: "m1=http://127.0.0.1:1",
  },
  { title: "the order", path: READ },
  {
    title: "a method that there is not",
    method: "PATCH",
    path: "",
    decided: {
      why: "JSON on every error",
      answer: { status: 405, type: "application/json", index: 5, body: error(0, "Method Not Allowed", 5) },
    },
  },
  { title: "a folder is deleted with all in it", method: "DELETE", path: "?recursive=true" },
  {
    title: "it is gone",
    path: READ,
  },
];

/** What etcd does and quorate does not: each on a token of its own, just made with a size of 4. */
const REFUSED: readonly Step[] = [
  {
    title: "the same size again",
    method: "PUT",
    path: "/_config/size",
    value: "4",
    decided: {
      why: "nothing changed: no event",
      answer: {
        status: 200,
        index: 1,
        body: {
          action: "set",
          node: { key: "/discovery/t/_config/size", value: "4", modifiedIndex: 1, createdIndex: 1 },
        },
      },
    },
  },
  {
    title: "a value that every member of the cluster would choke on",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    value: "no member at all",
    decided: {
      why: "one bad value stops the whole cluster",
      answer: { status: 400, index: 1, body: invalid(1) },
    },
  },
  {
    title: "no value",
    method: "PUT",
    path: `/${FIRST}?prevExist=false`,
    decided: {
      why: "one bad value stops the whole cluster",
      answer: { status: 400, index: 1, body: invalid(1) },
    },
  },
  {
    title: "a key that is no member id",
    method: "PUT",
    path: "/machine-1?prevExist=false",
    value: "m1=http://127.0.0.1:1",
    decided: {
      why: "members make the string of all ids",
      answer: { status: 400, index: 1, body: invalid(1) },
    },
  },
  {
    title: "another size",
    method: "PUT",
    path: "/_config/size",
    value: "5",
    decided: {
      why: "members have read the size already",
      answer: { status: 403, index: 1, body: error(107, "Root is read only", 1) },
    },
  },
  {
    title: "a size of 0, which kills etcd",
    method: "PUT",
    path: "-other/_config/size",
    value: "0",
    decided: { why: "sizes are 1 and more", answer: { status: 400, index: 1, body: invalid(1) } },
  },
  {
    title: "a key of the service's choice",
    method: "POST",
    path: "",
    value: "m1=http://127.0.0.1:1",
    decided: {
      why: "members choose their keys",
      answer: { status: 405, type: "application/json", index: 1, body: error(0, "Method Not Allowed", 1) },
    },
  },
];

/** One backend. */
class Side {
  readonly #url: string;
  #token = "";
  /** The last event before the token was made. */
  #base = 0;

  constructor(url: string) {
    this.#url = `${url}/v2/keys/discovery`;
  }

  /** Turns to a token that is not there yet. */
  async begin(token: string): Promise<void> {
    this.#token = token;
    const answer = await fetch(`${this.#url}/${token}`);
    await answer.body?.cancel();
    this.#base = Number(answer.headers.get("x-etcd-index"));
  }

  /** @returns the answer when its headers are there. */
  async send({ method = "GET", path, value }: Step): Promise<Response> {
    const numbered = path.replace(/\$(\d+)/, (_all, index: string) => String(Number(index) + this.#base));
    const body = value === undefined ? {} : { body: new URLSearchParams({ value }) };
    return fetch(`${this.#url}/${this.#token}${numbered}`, { method, ...body });
  }

  async read(response: Response, sorted = false): Promise<Answer> {
    const header = response.headers.get("x-etcd-index");
    const type = response.headers.get("content-type");
    const text = await response.text();
    return {
      status: response.status,
      type,
      index: header === null ? undefined : Number(header) - this.#base,
      body: type === "application/json" && text !== "" ? this.#relative(text, sorted) : text,
    };
  }

  async answer(step: Step): Promise<Answer> {
    return this.read(await this.send(step), step.path.includes("sorted=true"));
  }

  /**
   * Indexes become distances and tokens `t`. The cause is a sentence of each side's own, and only has to be there.
   * A list that was not asked for in order has none in etcd.
   */
  #relative(json: string, sorted: boolean): unknown {
    return JSON.parse(json, (name, value: unknown) => {
      if (name === "nodes" && !sorted)
        return (value as Node[]).toSorted((a, b) => a.createdIndex - b.createdIndex);
      if (name === "cause") return value === "" ? "" : undefined;
      if (typeof value === "string") return value.replace(`/discovery/${this.#token}`, "/discovery/t");
      return typeof value === "number" && /index$/i.test(name) ? value - this.#base : value;
    });
  }
}

/** Both, each with a registry of its own. */
async function bothSides(lab: Lab, binaries: EtcdBinaries): Promise<readonly [etcd: Side, ours: Side]> {
  const [keeper, service] = await Promise.all([startLoner(lab, binaries, "keeper"), Quorate.start(lab)]);
  return [new Side(keeper.clientUrl), new Side(service.url)];
}

interface Transcript {
  readonly ours: unknown[];
  readonly expected: unknown[];
}

/** What quorate answers, beside what it should: etcd's answer with what is decided in its place. */
async function transcript(sides: readonly [Side, Side], steps: readonly Step[]): Promise<Transcript> {
  const [etcd, quorate] = sides;
  const ours: unknown[] = [];
  const expected: unknown[] = [];
  for (const step of steps) {
    const [theirs, answer] = await Promise.all([etcd.answer(step), quorate.answer(step)]);
    const { title, decided } = step;
    ours.push({ title, differs: !isDeepStrictEqual(theirs, answer), ...answer });
    expected.push({ title, differs: decided !== undefined, ...theirs, ...decided?.answer });
  }
  return { ours, expected };
}

const SIZE: Step = { title: "the size is set", method: "PUT", path: "/_config/size", value: "4" };

test("the life of a token is as in etcd, but for what is decided", async (context) => {
  const sides = await bothSides(...openLab(context, etcd34));
  for (const side of sides) await side.begin("life");
  const { ours, expected } = await transcript(sides, LIFE);
  expect(ours).toEqual(expected);
});

test("what etcd does and quorate refuses", async (context) => {
  const sides = await bothSides(...openLab(context, etcd34));
  for (const [at, step] of REFUSED.entries()) {
    for (const side of sides) await side.begin(`refused-${at}`);
    const { ours, expected } = await transcript(sides, [SIZE, step]);
    expect(ours).toEqual(expected);
  }
});

test("a poll has its headers at once and its body with the event", async (context) => {
  const sides = await bothSides(...openLab(context, etcd34));
  const events = await Promise.all(
    sides.map(async (side) => {
      await side.begin("poll");
      await side.answer(SIZE);
      // Resolves with the headers, when nothing has happened yet.
      const poll = await side.send({ title: "a poll", path: "?recursive=true&wait=true&waitIndex=$2" });
      const value = "m1=http://127.0.0.1:1";
      await side.answer({ title: "", method: "PUT", path: `/${FIRST}?prevExist=false`, value });
      return side.read(poll);
    }),
  );
  expect(events[1]).toEqual(events[0]);
  expect(events[0]).toMatchObject({ status: 200, index: 1, body: { action: "create" } });
});
