import { PLATFORM_TABLES } from "./platform/schema_step.ts";

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
  `
  CREATE TABLE devices (
    kid         TEXT PRIMARY KEY, -- RFC 7638 thumbprint of the public key
    public_x    TEXT NOT NULL,
    hardware    TEXT NOT NULL,    -- the facts as JSON
    user_id     TEXT NOT NULL,    -- who enrolled it; may be gone by now
    email       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'revoked')),
    enrolled_ms INTEGER NOT NULL,
    decided_ms  INTEGER,
    decided_by  TEXT              -- e-mail address; NULL when no administrator decided
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX devices_by_user ON devices (user_id);

  CREATE TABLE publishers (
    kid      TEXT PRIMARY KEY,
    public_x TEXT NOT NULL,
    name     TEXT NOT NULL,
    added_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE master_keys (
    id         TEXT PRIMARY KEY, -- made from the key, which itself is never here
    created_ms INTEGER NOT NULL,
    current    INTEGER UNIQUE CHECK (current = 1) -- NULL for those before it
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE resource_versions (
    folder         TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    manifest       TEXT NOT NULL, -- JWS
    payload_sha256 TEXT NOT NULL,
    expires_s      INTEGER NOT NULL,
    big_key        TEXT NOT NULL,
    plain_bytes    INTEGER NOT NULL,
    wrapped_cek    BLOB NOT NULL,
    master_id      TEXT NOT NULL REFERENCES master_keys (id),
    published_ms   INTEGER NOT NULL,
    published_by   TEXT NOT NULL,
    withdrawn_ms   INTEGER,
    PRIMARY KEY (folder, name, version),
    UNIQUE (folder, name, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE resource_pins (
    folder  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (folder, name),
    FOREIGN KEY (folder, name, version) REFERENCES resource_versions (folder, name, version)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE resource_grants (
    id        INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    user_id   TEXT NOT NULL,
    email     TEXT NOT NULL,
    kid       TEXT NOT NULL,
    folder    TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    expires_s INTEGER NOT NULL
  ) STRICT;
  `,
  PLATFORM_TABLES,
  `
  CREATE TABLE issuer_keys (
    kid         TEXT PRIMARY KEY,
    private_jwk TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    retired_ms  INTEGER -- since when it only verifies
  ) STRICT;

  CREATE TABLE oauth_clients (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL, -- JSON
    created_ms    INTEGER NOT NULL
  ) STRICT;

  INSERT INTO oauth_clients VALUES ('tallystick-cli', 'Tallystick',
    '["http://localhost:8989/","http://127.0.0.1:8989/","http://[::1]:8989/"]', 0);

  CREATE TABLE oauth_records (
    model       TEXT NOT NULL, -- what the record is: Session, Grant, RefreshToken and the like
    id          TEXT NOT NULL,
    payload     TEXT NOT NULL, -- JSON
    grant_id    TEXT,
    user_code   TEXT,
    uid         TEXT,
    expires_ms  INTEGER NOT NULL,
    consumed_ms INTEGER,
    polled_ms   INTEGER,
    PRIMARY KEY (model, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX oauth_records_by_expiry ON oauth_records (expires_ms);
  CREATE INDEX oauth_records_by_grant ON oauth_records (grant_id) WHERE grant_id IS NOT NULL;
  CREATE UNIQUE INDEX oauth_records_by_user_code ON oauth_records (user_code) WHERE user_code IS NOT NULL;
  CREATE INDEX oauth_records_by_uid ON oauth_records (model, uid) WHERE uid IS NOT NULL;
  `,
];
