/** Configuration changes as entries of the log. Pure. */
import type { ConfChange } from "./conf.ts";
import { decodeConfChangeV1, decodeConfChangeV2, encodeConfChange } from "./conf-codec.ts";
import { type Entry, EntryType, proposal } from "./message.ts";

/** The entry that proposes a change. */
export function confChangeProposal(change: ConfChange): Entry {
  const type = change.version === 1 ? EntryType.confChange : EntryType.confChangeV2;
  return proposal(encodeConfChange(change), type);
}

/** The change an entry holds; undefined for an entry of another kind. @throws RefusedError for one that has none. */
export function confChangeIn(entry: Entry): ConfChange | undefined {
  switch (entry.type) {
    case EntryType.normal:
      return undefined;
    case EntryType.confChange:
      return decodeConfChangeV1(entry.data);
    case EntryType.confChangeV2:
      return decodeConfChangeV2(entry.data);
    default:
      return entry.type satisfies never;
  }
}
