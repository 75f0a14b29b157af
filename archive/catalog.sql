-- The catalog's schema. Each "-- version N" begins the statements that migrate version N - 1 to N;
-- a new catalog runs all of them. Statements of a released version never change; comments may.
--
-- Times are ns since 1970-01-01 UTC; values above 2^63 - 1 are stored as 2^63 - 1. Text is never
-- NULL: '' means absent. Natural keys are UNIQUE or PRIMARY KEY; ids mean nothing outside the file.

-- version 1

-- journal_bytes: how much of the journal has been read into sessions, gaps and notes.
-- journal_mark: 63 bits of the journal's chain value there; 0 or absent: unknown, or nothing read.
-- behind: 1 if an appender could not enter everything that it wrote.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    session  TEXT PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    stop_ns  INTEGER NOT NULL, -- 0: the session has not stopped
    state    TEXT NOT NULL,    -- open, stopped, crashed
    verb     TEXT NOT NULL,
    version  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE segments (
    id               INTEGER PRIMARY KEY,
    path             TEXT NOT NULL UNIQUE, -- below the archive, without ".open"
    is_open          INTEGER NOT NULL,
    session          TEXT NOT NULL,
    session_start_ns INTEGER NOT NULL,
    feed             TEXT NOT NULL,
    family           TEXT NOT NULL,
    verb             TEXT NOT NULL,
    version          TEXT NOT NULL,
    number           INTEGER NOT NULL, -- within session and feed
    previous_segment TEXT NOT NULL,    -- file name
    chain            TEXT NOT NULL,    -- last value, 32 hex digits
    file_bytes       INTEGER NOT NULL, -- of an open segment: up to its last chain record
    messages         INTEGER NOT NULL,
    chunks           INTEGER NOT NULL,
    first_ns         INTEGER NOT NULL,
    last_ns          INTEGER NOT NULL
);

CREATE TABLE channels (
    id               INTEGER PRIMARY KEY,
    feed             TEXT NOT NULL,
    family           TEXT NOT NULL,
    line             INTEGER NOT NULL,
    shard            INTEGER NOT NULL,
    dir              TEXT NOT NULL,
    topic            TEXT NOT NULL,
    exchange_topic   TEXT NOT NULL,
    symbol           TEXT NOT NULL,
    opcode           INTEGER NOT NULL,
    message_encoding TEXT NOT NULL,
    schema_name      TEXT NOT NULL,
    UNIQUE (feed, family, line, shard, dir, topic, exchange_topic, symbol, opcode,
            message_encoding, schema_name)
);

CREATE TABLE segment_channels (
    segment_id INTEGER NOT NULL,
    mcap_id    INTEGER NOT NULL, -- also the bit in chunks.bitmap
    channel_id INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    first_ns   INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,
    PRIMARY KEY (segment_id, mcap_id)
) WITHOUT ROWID;

-- The segments of a channel in a time range are a range of this index.
CREATE INDEX segment_channels_by_time ON segment_channels (channel_id, last_ns, first_ns);

CREATE TABLE chunks (
    segment_id         INTEGER NOT NULL,
    number             INTEGER NOT NULL, -- 0, 1, … in file order
    offset             INTEGER NOT NULL, -- of the Chunk record
    chunk_bytes        INTEGER NOT NULL,
    index_bytes        INTEGER NOT NULL, -- of its Message Index records
    uncompressed_bytes INTEGER NOT NULL,
    first_ns           INTEGER NOT NULL,
    last_ns            INTEGER NOT NULL,
    messages           INTEGER NOT NULL,
    bitmap             BLOB NOT NULL, -- bit (id % 8) of byte (id / 8); no zero byte at the end
    PRIMARY KEY (segment_id, number)
) WITHOUT ROWID;

CREATE TABLE gaps (
    feed        TEXT NOT NULL,
    from_ns     INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    conn        INTEGER NOT NULL,
    topic       TEXT NOT NULL,
    symbol      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    to_ns       INTEGER NOT NULL, -- 0: the gap is open
    frames_lost INTEGER NOT NULL, -- -1: unknown
    covered_by  TEXT NOT NULL,
    cause       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (feed, from_ns, line, shard, conn, topic, symbol, reason)
) WITHOUT ROWID;

-- version 2: notes. The journal's notes must be read again.

CREATE TABLE notes (
    time_ns INTEGER NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL,
    feed    TEXT NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (time_ns, from_ns, to_ns, feed, text)
) WITHOUT ROWID;

DELETE FROM meta WHERE key = 'journal_bytes';

-- version 3: gaps by their source, so that the gaps of a segment are deleted with it. Everything
-- must be read again.

DROP TABLE gaps;

-- Rows that differ only in told_by are one gap, which has the greatest value of each other field.
CREATE TABLE gaps (
    feed        TEXT NOT NULL,
    from_ns     INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    conn        INTEGER NOT NULL,
    topic       TEXT NOT NULL,
    symbol      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    told_by     TEXT NOT NULL, -- the source: path of a segment without ".open"; '': the journal
    to_ns       INTEGER NOT NULL, -- 0: the gap is open
    frames_lost INTEGER NOT NULL, -- -1: unknown
    covered_by  TEXT NOT NULL,
    cause       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (feed, from_ns, line, shard, conn, topic, symbol, reason, told_by)
) WITHOUT ROWID;

CREATE INDEX gaps_by_teller ON gaps (told_by);

DELETE FROM segments;
DELETE FROM segment_channels;
DELETE FROM chunks;
DELETE FROM channels;
INSERT OR REPLACE INTO meta VALUES ('journal_bytes', 0);
INSERT OR IGNORE INTO meta VALUES ('behind', 0);

-- version 4: checksums, so that readers detect rows that other programs changed, added or removed
-- (FORMAT.md, "Checksums of the catalog"). Everything must be read again.

DROP INDEX segment_channels_by_time;
DELETE FROM segments;
DELETE FROM segment_channels;
DELETE FROM chunks;
DELETE FROM channels;
DELETE FROM gaps;
INSERT OR REPLACE INTO meta VALUES ('journal_bytes', 0);

-- Of the row itself, and sums over its channels, chunks and gaps. The first three are 0 while the
-- segment is open.
ALTER TABLE segments ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN channel_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN chunk_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN gap_checksum INTEGER NOT NULL DEFAULT 0; -- of its gaps
