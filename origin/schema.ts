/**
 * The steps that make an empty database into today's, in order. A step that was released is never changed: the
 * next change is a new step. The number of a step is its place in the list, from 1.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE, -- lower case, for comparison
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    hardware_hash TEXT,
    created_ms    INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE signing_keys (
    kid         TEXT PRIMARY KEY,
    private_jwk TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    retired_ms  INTEGER -- since when it only verifies
  ) STRICT;

  CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT;

  CREATE TABLE objects (
    bucket      TEXT NOT NULL,
    key         TEXT NOT NULL,
    blob        TEXT NOT NULL UNIQUE, -- name of the file with the bytes, and the ETag
    size_bytes  INTEGER NOT NULL,
    sha256      TEXT NOT NULL,
    paired_with TEXT,
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE organizations (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)), -- of accounts that were made without one
    services     TEXT NOT NULL, -- JSON: what the call me hands to members
    created_ms   INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX one_default_organization ON organizations (is_default) WHERE is_default = 1;

  INSERT INTO organizations VALUES ('org_' || lower(hex(randomblob(8))), 'default', 'Default', 1, '{}', 0);

  ALTER TABLE users ADD COLUMN organization_id TEXT REFERENCES organizations (id);
  ALTER TABLE users ADD COLUMN organization_role TEXT NOT NULL DEFAULT 'member'
    CHECK (organization_role IN ('admin', 'member'));
  ALTER TABLE users ADD COLUMN given_name TEXT;
  ALTER TABLE users ADD COLUMN family_name TEXT;
  UPDATE users SET organization_id = (SELECT id FROM organizations WHERE is_default = 1);
  UPDATE users SET organization_role = 'admin' WHERE role = 'ApiAdmin';
  `,
];
