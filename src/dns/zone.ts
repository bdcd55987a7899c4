/** A zone we are authoritative for: what it holds besides clusters. */

export interface Zone {
  /** Lower case, no final dot. */
  readonly name: string;
  /** Every cluster has its names here, at `TOKEN.ZONE`. */
  readonly holdsTokens: boolean;
  /** Clusters may own this domain, or domains below it. */
  readonly holdsDomains: boolean;
}
