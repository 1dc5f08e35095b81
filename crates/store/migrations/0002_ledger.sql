-- The ledger: `entry` is the canonical text, `hash` its SHA-256. `kind` stands beside it for queries.
-- What is in it stays as it is; the triggers are against mistakes of this program, the chain is for everything else.
CREATE TABLE ledger (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    hash   BLOB NOT NULL,
    entry  TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_decision ON ledger (number) WHERE kind = 'decision';
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;

-- Signed over the first `size` entries.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
