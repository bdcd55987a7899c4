/** What the load does to the service, however it is reached. Every call throws `Died` when the service dies first. */
export interface Listing {
  readonly size: number;
  /** `X-Etcd-Index` of the answer. */
  readonly index: number;
  /** In the order listed. */
  readonly members: readonly { readonly id: string; readonly createdIndex: number }[];
}

export interface ServiceUnderTest {
  create(size: number): Promise<string>;
  /** @returns the member's createdIndex; undefined when it was refused. */
  register(token: string, id: string, value: string): Promise<number | undefined>;
  /** @returns undefined for an unknown token. */
  list(token: string): Promise<Listing | undefined>;
  /** @returns the next event's createdIndex; undefined when the poll ended quietly. */
  wait(
    token: string,
    waitIndex: number,
  ): Promise<{ readonly id: string; readonly createdIndex: number } | undefined>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Starts the service on a folder; rejects with `Died` when it is killed before it is ready. */
export type Start = (folder: string) => { readonly ready: Promise<ServiceUnderTest>; kill(): Promise<void> };

/** The service was killed before it answered: what was asked may have happened or not. */
export class Died extends Error {}
