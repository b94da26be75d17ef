-- The records of the files that are followed, as they were loaded last. kind: as in changes. part: the line of a purchase,
-- from 1; 1 for any other row. digest: of the record.
CREATE TABLE loaded (
    kind   INTEGER NOT NULL,
    id     TEXT NOT NULL,
    part   INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (kind, id, part)
) STRICT, WITHOUT ROWID;

-- The state of each of these files when it was loaded.
CREATE TABLE loaded_files (
    kind  INTEGER PRIMARY KEY NOT NULL,
    stamp TEXT NOT NULL
) STRICT;
