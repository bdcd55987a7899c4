/** Drives the service over Node's own channel between processes. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Answered, Asked, Call } from "./direct-child.ts";
import { Died, type Listing, type ServiceUnderTest, type Start } from "./service-under-test.ts";

export const startDirect: Start = (folder) => {
  const child = fork(join(import.meta.dirname, "direct-child.ts"), [folder], { serialization: "advanced" });
  const exited = once(child, "exit");
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let number = 0;
  let dead = false;
  child.on("message", (message) => {
    const answered = message as Answered;
    waiting.get(answered.number)?.resolve(answered.result);
    waiting.delete(answered.number);
  });
  // After the last message that the process has sent, and only then: no acknowledgement is overlooked.
  child.on("close", () => {
    dead = true;
    for (const { reject } of waiting.values()) reject(new Died("killed"));
    waiting.clear();
  });
  const expectAnswer = <T>(of: number): Promise<T> =>
    new Promise((resolve, reject) => {
      waiting.set(of, { resolve: resolve as (result: unknown) => void, reject });
    });
  const ask = <T>(call: Call): Promise<T> => {
    if (dead || !child.connected) return Promise.reject(new Died("dead already"));
    number++;
    const answer = expectAnswer<T>(number);
    child.send({ number, call } satisfies Asked, () => {
      // A broken channel shows as "close".
    });
    return answer;
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null) throw new Error(`the service ended by itself with code ${child.exitCode}`);
    child.kill("SIGKILL");
    await exited;
  };
  const service: ServiceUnderTest = {
    create: (size) => ask<string>({ type: "create", size }),
    register: (token, id, value) => ask<number | undefined>({ type: "register", token, id, value }),
    list: (token) => ask<Listing | undefined>({ type: "list", token }),
    wait: (token, waitIndex) => ask({ type: "wait", token, waitIndex }),
    kill,
  };
  return { ready: expectAnswer(0).then(() => service), kill };
};
