-- Ids are UUIDs (16 bytes), digests SHA-256 (32 bytes). `body` is the record as JSON; a column stands beside
-- it only where a query needs it. Times that are compared are seconds since 1970 (UTC).

-- One row: proves that the key is the one that this folder was sealed with.
CREATE TABLE key_check (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE run (
    id    BLOB PRIMARY KEY,
    ended INTEGER NOT NULL,
    body  TEXT NOT NULL
) STRICT;
CREATE INDEX run_unfinished ON run (id) WHERE ended = 0;

CREATE TABLE task (
    id       BLOB PRIMARY KEY,
    run      BLOB NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX task_of_run ON task (run, position);

CREATE TABLE event (
    run    BLOB NOT NULL REFERENCES run (id),
    number INTEGER NOT NULL,
    at     TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE applied (
    unit TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT: a number is never given twice, so a cursor never skips.
CREATE TABLE decision (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE used_token (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_token_expiry ON used_token (expires_at);

CREATE TABLE idempotency (
    key     TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    run     BLOB NOT NULL REFERENCES run (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE read_token (
    digest     BLOB PRIMARY KEY,
    run        BLOB NOT NULL REFERENCES run (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plan (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    digest       BLOB NOT NULL UNIQUE,
    unit         TEXT NOT NULL,
    input_digest BLOB NOT NULL,
    body         TEXT NOT NULL
) STRICT;
CREATE INDEX plan_of_input ON plan (unit, input_digest, number);

CREATE TABLE plan_part (
    plan   BLOB NOT NULL REFERENCES plan (digest),
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (plan, name)
) STRICT;

CREATE TABLE state (
    unit    TEXT NOT NULL,
    version INTEGER NOT NULL,
    serial  INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    task    BLOB NOT NULL,
    at      TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (unit, version)
) STRICT;

CREATE TABLE state_lock (
    unit TEXT PRIMARY KEY,
    id   TEXT NOT NULL,
    task BLOB NOT NULL,
    at   TEXT NOT NULL,
    info TEXT NOT NULL
) STRICT, WITHOUT ROWID;
