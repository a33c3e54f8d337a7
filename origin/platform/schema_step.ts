/** Tables of the platform API. All times are milliseconds since 1970; all JSON is text as it came. */
export const PLATFORM_TABLES = `
  CREATE TABLE platform_applications (
    application_id     TEXT PRIMARY KEY,
    name               TEXT NOT NULL,
    description        TEXT NOT NULL,
    regulatory_classes TEXT NOT NULL
  ) STRICT;

  CREATE TABLE platform_versions (
    application_id TEXT NOT NULL REFERENCES platform_applications,
    version_number TEXT NOT NULL,
    manifest       TEXT NOT NULL,
    PRIMARY KEY (application_id, version_number)
  ) STRICT;

  CREATE TABLE platform_runs (
    run_id             TEXT PRIMARY KEY,
    application_id     TEXT NOT NULL,
    version_number     TEXT NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'TERMINATED')),
    termination_reason TEXT,
    error_code         TEXT,
    error_message      TEXT,
    custom_metadata    TEXT,
    callback_context   TEXT,
    submitted_ms       INTEGER NOT NULL,
    submitted_by       TEXT NOT NULL,
    organization_id    TEXT NOT NULL,
    due_ms             INTEGER,
    deadline_ms        INTEGER,
    terminated_ms      INTEGER,
    deleted_by         TEXT CHECK (deleted_by IN ('USER', 'SYSTEM')) -- whoever removed the artifacts
  ) STRICT;
  CREATE INDEX platform_runs_by_user ON platform_runs (submitted_by, submitted_ms);
  CREATE INDEX platform_runs_by_organization ON platform_runs (organization_id, submitted_ms);
  CREATE INDEX platform_runs_with_deadline ON platform_runs (deadline_ms) WHERE state <> 'TERMINATED';

  CREATE TABLE platform_items (
    seq                INTEGER PRIMARY KEY, -- order of submission
    item_id            TEXT NOT NULL UNIQUE,
    run_id             TEXT NOT NULL REFERENCES platform_runs ON DELETE CASCADE,
    organization_id    TEXT NOT NULL,
    external_id        TEXT NOT NULL,
    custom_metadata    TEXT,
    due_ms             INTEGER NOT NULL, -- far away where the run has no due date
    state              TEXT NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'TERMINATED')),
    termination_reason TEXT,
    error_code         TEXT,
    error_message      TEXT,
    terminated_ms      INTEGER,
    attempt            INTEGER NOT NULL DEFAULT 0, -- a worker publishes only for the attempt that it began
    deaths             INTEGER NOT NULL DEFAULT 0, -- how often the origin was killed while it was at work
    UNIQUE (run_id, external_id)
  ) STRICT;
  CREATE INDEX platform_items_queue ON platform_items (due_ms, seq) WHERE state = 'PENDING';
  CREATE INDEX platform_items_of_run ON platform_items (run_id, state, termination_reason);

  CREATE TABLE platform_inputs (
    input_artifact_id TEXT PRIMARY KEY,
    item_id           TEXT NOT NULL REFERENCES platform_items (item_id) ON DELETE CASCADE,
    position          INTEGER NOT NULL,
    name              TEXT NOT NULL,
    download_url      TEXT NOT NULL,
    metadata          TEXT NOT NULL,
    UNIQUE (item_id, position)
  ) STRICT;

  CREATE TABLE platform_outputs (
    output_artifact_id TEXT PRIMARY KEY,
    item_id            TEXT NOT NULL REFERENCES platform_items (item_id) ON DELETE CASCADE,
    position           INTEGER NOT NULL,
    name               TEXT NOT NULL,
    mime_type          TEXT NOT NULL,
    metadata           TEXT,
    object_key         TEXT, -- of the object with its bytes, while there is one
    UNIQUE (item_id, position)
  ) STRICT;

  CREATE TABLE platform_grants (
    grant_id        TEXT PRIMARY KEY,
    resource_type   TEXT NOT NULL,
    resource_id     TEXT NOT NULL,
    subject_type    TEXT NOT NULL,
    subject_id      TEXT NOT NULL,
    relation        TEXT NOT NULL,
    created_by      TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    revoked_ms      INTEGER
  ) STRICT;
  CREATE INDEX platform_grants_of_resource ON platform_grants (resource_id);
  CREATE INDEX platform_grants_of_subject ON platform_grants (subject_id);

  CREATE TABLE platform_share_tokens (
    share_token_id TEXT PRIMARY KEY,
    token_sha256   TEXT NOT NULL UNIQUE, -- the token itself is stored nowhere
    created_by     TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    expires_ms     INTEGER,
    revoked_ms     INTEGER
  ) STRICT;

  CREATE TABLE platform_submissions (
    user_id         TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_sha256     TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    PRIMARY KEY (user_id, idempotency_key)
  ) STRICT, WITHOUT ROWID;
  `;
