-- The registry: clusters and their members, what is left of those gone, and the index of the last event.
-- Every *_index is an event's index, every *_at is milliseconds since 1970.

CREATE TABLE registry (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Never goes back, not when everything is deleted either. 1: nothing has happened (members start at 2).
  last_index INTEGER NOT NULL,
  -- Minted tokens created up to this event are in token_index; later ones are found by reading clusters from here.
  indexed_until INTEGER NOT NULL
) STRICT;

INSERT INTO registry (id, last_index, indexed_until) VALUES (1, 1, 0);

-- Written by health checks, and read by nobody.
CREATE TABLE probe (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  padding BLOB NOT NULL
) STRICT;

INSERT INTO probe (id, padding) VALUES (1, x'');

-- In order of creation, so that new rows always go to the end of the file's last pages.
CREATE TABLE clusters (
  created_index INTEGER PRIMARY KEY,
  token TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('minted', 'custom')),
  size INTEGER NOT NULL CHECK (size >= 1),
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  -- The domain it owns, labels reversed (com.example), so that a domain and all below it stand together.
  domain_path TEXT,
  sealed_index INTEGER,
  -- A row with these is a tombstone: it has no members, and is dropped at forget_at.
  gone_reason TEXT CHECK (gone_reason IN ('expired', 'deleted')),
  gone_at INTEGER,
  forget_at INTEGER,
  CHECK ((gone_reason IS NULL) = (gone_at IS NULL) AND (gone_at IS NULL) = (forget_at IS NULL))
) STRICT;

CREATE INDEX clusters_by_expiry ON clusters (expires_at) WHERE expires_at IS NOT NULL AND gone_at IS NULL;
CREATE UNIQUE INDEX clusters_by_domain ON clusters (domain_path) WHERE domain_path IS NOT NULL;
CREATE INDEX clusters_by_forgetting ON clusters (forget_at) WHERE forget_at IS NOT NULL;

-- Token to cluster. Tokens are random, so each would dirty a page of its own if it were entered at creation: minted
-- ones are entered later, many at a time and in order.
CREATE TABLE token_index (
  token TEXT PRIMARY KEY,
  cluster INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  created_index INTEGER PRIMARY KEY,
  cluster INTEGER NOT NULL REFERENCES clusters (created_index) ON DELETE CASCADE,
  member_id TEXT NOT NULL,
  value TEXT NOT NULL,
  name TEXT NOT NULL,
  -- A JSON array of strings.
  peer_urls TEXT NOT NULL,
  registered_at INTEGER NOT NULL,
  client TEXT NOT NULL,
  discovery_url TEXT,
  answered INTEGER NOT NULL CHECK (answered IN (0, 1)),
  UNIQUE (cluster, member_id)
) STRICT;

CREATE TABLE removed_members (
  removed_index INTEGER PRIMARY KEY,
  cluster INTEGER NOT NULL REFERENCES clusters (created_index) ON DELETE CASCADE,
  member_id TEXT NOT NULL,
  created_index INTEGER NOT NULL
) STRICT;

CREATE INDEX removed_members_by_cluster ON removed_members (cluster);
