/** What a caller asks of the discovery service, in the form that the rules read. */
import type { MemberId, Token } from "./cluster.ts";

/** A member named at creation, before any node runs: `infra0=http://10.0.1.10:2380`. */
export interface Declaration {
  readonly name: string;
  readonly peerUrl: string;
}

export interface CreateRequest {
  readonly size: number;
  readonly domain?: string;
  readonly declared?: readonly Declaration[];
  /**
   * The URL that will be handed out, up to and without the token: it is hashed into declared members' ids. A final slash
   * may be there or not.
   */
  readonly baseUrl: string;
}

export interface RegisterRequest {
  readonly token: Token;
  readonly id: MemberId;
  readonly value: string;
  /**
   * Normalised address of the client. A client on this very machine (its address is the socket's local one too) is
   * best given as `127.0.0.1`: that is how two of them are known to be one machine.
   */
  readonly from: string;
  /** Discovery URLs the member may have been started with, to be tried against its id. */
  readonly discoveryUrls: readonly string[];
}
