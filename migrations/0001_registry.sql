-- The registry: clusters, their members, what is left of those gone, and the index of the last event.
-- Every *_index is an event's index, every *_at is milliseconds since 1970.

CREATE TABLE registry (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Never goes back, not when everything is deleted either. 1: nothing has happened (members start at 2).
  last_index INTEGER NOT NULL,
  -- Counts the health checks: a write that a person can see and that changes nothing else.
  probes INTEGER NOT NULL
) STRICT;

INSERT INTO registry (id, last_index, probes) VALUES (1, 1, 0);

CREATE TABLE clusters (
  created_index INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('minted', 'custom')),
  size INTEGER NOT NULL CHECK (size >= 1),
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  -- The domain it owns, labels reversed (com.example), so that a domain and all below it stand together.
  domain_path TEXT,
  sealed_index INTEGER
) STRICT;

CREATE INDEX clusters_by_expiry ON clusters (expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX clusters_by_domain ON clusters (domain_path) WHERE domain_path IS NOT NULL;

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

CREATE TABLE tombstones (
  token TEXT PRIMARY KEY,
  reason TEXT NOT NULL CHECK (reason IN ('expired', 'deleted')),
  gone_at INTEGER NOT NULL,
  forget_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tombstones_by_forgetting ON tombstones (forget_at);
