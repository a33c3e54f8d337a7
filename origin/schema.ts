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
];
