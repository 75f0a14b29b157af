/* Parses one line of a capture into a frame, a connection, or nothing. Two formats, specified in
 * docs/import.md:
 *
 *   cryptofeed   its line format ("TIME: DATA", "URL <- TIME: DATA", "URL -> TIME: DATA",
 *                "URL <-> TIME", "configuration: …") and its format 2 (one JSON object a line); the
 *                two are distinguished line by line
 *   jsonl        {"recv_ns" or "ts", "data", …} around a frame, or a bare frame; also frames and
 *                events of an archive as `cat` prints them
 *
 * Times are exact: decimal seconds become nanoseconds digit by digit, never through a double. A
 * reader has no state from line to line, it only reuses memory. One thread. */
#ifndef TD_IMPORT_IMPORT_LINE_H
#define TD_IMPORT_IMPORT_LINE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"

typedef enum import_format { IMPORT_CRYPTOFEED, IMPORT_JSONL } import_format;

typedef enum import_kind {
    IMPORT_NOTHING, /* empty line, header, settings: valid, without content */
    IMPORT_FRAME,
    IMPORT_CONNECT, /* a connection was made here */
    IMPORT_GAP,     /* data is an event of a gap (archive/event.h) */
} import_kind;

/* A parsed line. Views point into the line or the reader: valid until the reader's next call. */
typedef struct import_record {
    import_kind kind;
    channel_dir dir;      /* direction of a frame */
    uint64_t time_ns;     /* 0: the line has no receive time */
    uint8_t is_estimated; /* for callers: 1 if time_ns is not from the file */
    td_bytes conn;        /* name of the connection in the file; empty if absent */
    td_bytes url;         /* as in the file, with its secrets; empty if absent. FORM_FETCHED: the
                             reply's topic */
    td_bytes data;        /* the frame; DECODE_PADDING_BYTES readable after it */
    /* Only for a line from another archive, whose conn is "FEED/SHARD": */
    td_bytes feed; /* empty if absent */
    uint32_t shard;
    uint64_t conn_hash;    /* different for each connection of the shard; 0: unknown */
    td_bytes family;       /* its name; empty if absent */
    uint64_t ordinal;      /* 0: the next one */
    channel_opcode opcode; /* 0: text */
    uint32_t form;         /* FORM_* */
} import_record;

struct event;

typedef struct import_line_reader import_line_reader;

/* Open a reader of this format. import_line_reader_close: NULL is fine. */
TD_NEVER_NULL import_line_reader *import_line_reader_open(import_format format);
void import_line_reader_close(import_line_reader *reader);

/* Read one line (JSON_PADDING_BYTES readable after it). Returns 1 and fills *out, or 0 for a
 * malformed line, with the reason as a text that is valid until the next call. */
int import_line_read(import_line_reader *reader, td_bytes line, import_record *out,
                     const char **reason);

/* The event in the data of an IMPORT_GAP record; valid until the next call. */
const struct event *import_line_event(import_line_reader *reader, td_bytes data);

#endif
