-- What went through the doors of a run's sandboxes, kept when each of them has ended.
CREATE TABLE call (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run    BLOB NOT NULL REFERENCES run (id),
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX call_of_run ON call (run, number);
