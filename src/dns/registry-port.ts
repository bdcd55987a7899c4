/**
 * The registry for responders in other threads: they ask over a message port, and read the serial from shared memory.
 * Changes need no message: the responder that hears of them counts up the shared generations (answers.ts).
 */
import type { MessagePort, Worker } from "node:worker_threads";
import type { Cluster } from "../discovery/cluster.ts";
import { EnvironmentError, InvariantError } from "../lib/errors.ts";
import type { ClusterSource } from "./responder.ts";

type Method = "findByLabel" | "findByDomain" | "domainBelow";

export interface RegistryCall {
  readonly type: "call";
  readonly id: number;
  readonly method: Method;
  readonly name: string;
}

export type RegistryResult =
  | { readonly type: "result"; readonly id: number; readonly value: Cluster | boolean | undefined }
  /** The registry could not be read; it has been logged. */
  | { readonly type: "failure"; readonly id: number };

/** Answers one call. @param onError Told why the registry could not be read; throws what must stop the process. */
export async function answerCall(
  port: Pick<Worker, "postMessage">,
  call: RegistryCall,
  discovery: ClusterSource,
  onError: (error: unknown) => void,
): Promise<void> {
  const { id, method, name } = call;
  try {
    const value = await discovery[method](name);
    port.postMessage({ type: "result", id, value } satisfies RegistryResult);
  } catch (error) {
    onError(error);
    port.postMessage({ type: "failure", id } satisfies RegistryResult);
  }
}

/**
 * The registry, as another thread sees it. It has no `all`: transfers are the first thread's.
 * @param index The last durable event's index, modulo 2^32, in its only place.
 */
export class RemoteRegistry implements ClusterSource {
  readonly #port: Pick<MessagePort, "postMessage">;
  readonly #index: Uint32Array;
  readonly #waiting = new Map<number, (result: RegistryResult) => void>();
  #lastId = 0;

  constructor(port: Pick<MessagePort, "postMessage">, index: Uint32Array) {
    this.#port = port;
    this.#index = index;
  }

  get index(): number {
    return Atomics.load(this.#index, 0);
  }

  /** To be called with each result that comes over the port. */
  take(result: RegistryResult): void {
    this.#waiting.get(result.id)?.(result);
    this.#waiting.delete(result.id);
  }

  async findByLabel(label: string): Promise<Cluster | undefined> {
    return (await this.#call("findByLabel", label)) as Cluster | undefined;
  }

  async findByDomain(domain: string): Promise<Cluster | undefined> {
    return (await this.#call("findByDomain", domain)) as Cluster | undefined;
  }

  async domainBelow(domain: string): Promise<boolean> {
    return (await this.#call("domainBelow", domain)) as boolean;
  }

  all(): AsyncIterable<Cluster> {
    throw new InvariantError("zones are transferred by the first thread");
  }

  onChange(): () => void {
    return () => {};
  }

  /** Bounded by the responder, which has so many questions pending and no more. */
  async #call(method: Method, name: string): Promise<Cluster | boolean | undefined> {
    const id = ++this.#lastId;
    const result = await new Promise<RegistryResult>((resolve) => {
      this.#waiting.set(id, resolve);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#port.postMessage({ type: "call", id, method, name } satisfies RegistryCall);
    });
    if (result.type === "result") return result.value;
    throw new EnvironmentError("registry_unreadable", "the registry could not be read");
  }
}
