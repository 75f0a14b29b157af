/* libtapedeck: the frames of an archive in a program of your own, as flat arrays.
 *
 * A tape is the selected part of an archive, in the order of `tapedeck replay`. It is read in
 * batches: an array of frames, and arrays of their trades and levels, so that a caller in another
 * language makes one call for thousands of rows (embed/python/tapedeck is such a caller).
 *
 * Numbers are exact: a price is price_int / 10^price_scale; price is the nearest double. Times are
 * ns since 1970-01-01 UTC, 0 if absent. Sides, actions, kinds and contents are the constants of
 * tapedeck/plugin.h.
 *
 * Threads: use an archive and its tapes from one thread at a time; archives are independent.
 * Nothing is written to the archive. A failed allocation ends the program. */
#ifndef TAPEDECK_ARCHIVE_H
#define TAPEDECK_ARCHIVE_H

#include "tapedeck/tapedeck.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of failures. */
enum {
    TAPEDECK_ERROR_NONE = 0,
    TAPEDECK_ERROR_INVALID = 1,     /* an invalid path or selection, or not an archive */
    TAPEDECK_ERROR_NOT_FOUND = 2,   /* the file does not exist, or nothing matches the selection */
    TAPEDECK_ERROR_IO = 3,          /* an operating system error; see os_errno */
    TAPEDECK_ERROR_DAMAGED = 4,     /* stored data cannot be read */
    TAPEDECK_ERROR_LIMIT = 5,       /* a limit was exceeded */
    TAPEDECK_ERROR_UNSUPPORTED = 6, /* written by a newer version */
};

/* The reason of a failure. Where a function takes a pointer to it, NULL is allowed. */
typedef struct tapedeck_error {
    int32_t code; /* TAPEDECK_ERROR_* */
    int32_t os_errno;
    char text[2040]; /* one line, cut if it is too long */
} tapedeck_error;

typedef struct tapedeck_archive tapedeck_archive;

/* Open an archive for reading: a folder, a single .mcap file, or s3://BUCKET/PREFIX, to which
 * `tapedeck push` sent it (docs/archive.md has the variables with the store's address and
 * credentials). An archive in a store is read as it was when it was opened. It needs libcurl, which
 * is loaded when such an archive is opened. NULL with an error, also if path is not an archive. */
TAPEDECK_API tapedeck_archive *tapedeck_archive_open(const char *path, tapedeck_error *error);
/* Close an archive. The caller must close the archive's tapes first. NULL is fine. */
TAPEDECK_API void tapedeck_archive_close(tapedeck_archive *archive);

/* A recorded topic and symbol of a feed. Texts are valid until the next tapedeck_archive_topics, or
 * close. */
typedef struct tapedeck_topic {
    const char *feed;
    const char *family;
    const char *topic;  /* without the symbol */
    const char *symbol; /* "" if absent */
    const char *exchange_topic;
    uint64_t frames; /* received frames; UINT64_MAX: unknown, because a segment has no summary */
    uint64_t first_ns;
    uint64_t last_ns;
} tapedeck_topic;

/* Get the *count topics of the archive, sorted by feed, topic and symbol. Reads no frames: first_ns
 * and last_ns are receive times of the topic's first and last frame, or of a segment that has its
 * frames and lacks their times.
 * Returns 1, or 0 with an error. */
TAPEDECK_API int tapedeck_archive_topics(tapedeck_archive *archive, const tapedeck_topic **topics,
                                         size_t *count, tapedeck_error *error);

/* What a tape gives besides frames and their entries; bits of tapedeck_selection.with. */
enum {
    TAPEDECK_WITH_BYTES = 1,    /* the bytes of each frame, as received */
    TAPEDECK_WITH_MESSAGES = 2, /* each frame as JSON, as `tapedeck replay --messages` prints it */
    TAPEDECK_WITH_BOOKS = 4, /* levels are the whole book after the frame, up to book_depth per side
                                (0: all): bids, then asks, best first; without levels that an HTTP
                                snapshot may have left out (docs/completeness.md). exchange_ns is
                                the latest time of what the book contains */
    TAPEDECK_WITH_COVERAGE = 8, /* tapedeck_tape_missing_ns can be called. Trades are selected by
                                   exchange time, if they are received up to 10 s before or after
                                   the selected time, and trades that a snapshot repeats are left
                                   out */
    TAPEDECK_WITH_FOLLOW =
        16, /* tapedeck_tape_wait can be called; not together with TAPEDECK_WITH_COVERAGE or `to`.
               Names may be selected before the archive has them */
};

/* Globs and times as on the command line; NULL selects everything. Globs must live as long as the
 * tape. Of a frame with trades of several symbols, only trades of the selected ones are rows. If
 * the library is newer than the program, members that the program lacks are 0. If the library is
 * older, it refuses members and bits of `with` that it does not know and that are not 0
 * (TAPEDECK_ERROR_INVALID). */
typedef struct tapedeck_selection {
    size_t size;              /* sizeof (tapedeck_selection) */
    const char *const *feeds; /* ends with NULL, like topics and symbols */
    const char *const *topics;
    const char *const *symbols;
    const char *from; /* first receive time: "2026-08-09T12:00Z", "+90s" */
    const char *to;   /* end of the receive times (exclusive) */
    uint32_t with;    /* TAPEDECK_WITH_* */
    uint32_t book_depth;
    uint32_t threads; /* threads that read and decode, including the caller's; 0 or 1: the caller's
                         only */
    uint32_t reserved;
} tapedeck_selection;

/* Flags of rows. */
enum {
    TAPEDECK_ROW_SNAPSHOT = 2,
    TAPEDECK_ROW_LATE = 4,    /* the receive time is late: an overload, or a clock was set back */
    TAPEDECK_ROW_SUSPECT = 8, /* the topic's state after the frame may be incomplete: a gap, damage
                                 or a broken rule, and no snapshot since */
    TAPEDECK_ROW_POSSIBLE_COPY = 16, /* it may be a copy of an earlier frame that came over another
                                        line: nothing tells (docs/recording.md) */
    TAPEDECK_ROW_COPY = 64, /* several connections bring the topic, and another one is used: the
                               frame is probably a duplicate (docs/design.md) */
    TAPEDECK_ROW_NUMBERED = 128,
};

typedef struct tapedeck_frame_row {
    uint64_t recv_ns;
    uint64_t exchange_ns;
    uint64_t ordinal;  /* number of the frame on its connection, from 1 for each direction */
    int64_t number;    /* cross_seq, else seq, else u; valid with TAPEDECK_ROW_NUMBERED */
    uint64_t bytes_at; /* offset in the batch's text */
    uint64_t message_at;
    uint32_t byte_count;
    uint32_t message_count;
    uint32_t stream;      /* index for tapedeck_tape_stream */
    uint32_t first_entry; /* index in the batch's trades or levels, depending on content */
    uint32_t entry_count;
    uint32_t connection; /* that brought it, on this line and shard */
    uint8_t content;     /* TAPEDECK_BOOK ... */
    uint8_t kind;
    uint8_t flags;
    uint8_t reserved;
    uint16_t line;
    uint16_t shard;
} tapedeck_frame_row;

/* A level, or the common part of a trade. */
typedef struct tapedeck_row {
    uint64_t recv_ns;
    uint64_t exchange_ns; /* exchange time of the frame, or a trade's own time if it has one */
    double price;
    double size;
    int64_t price_int;
    int64_t size_int;
    uint32_t stream;
    uint32_t frame; /* index of its frame in the batch */
    uint8_t price_scale;
    uint8_t size_scale;
    uint8_t side; /* side of the level; for a trade: the taker's side */
    uint8_t action;
    uint8_t flags;
    uint8_t reserved[3];
} tapedeck_row;

/* Size of a trade's identifier. A longer one is cut to this size; a shorter one ends with NUL. */
enum { TAPEDECK_TRADE_ID_BYTES = 40 };

typedef struct tapedeck_trade_row {
    tapedeck_row row;
    char trade_id[TAPEDECK_TRADE_ID_BYTES];
} tapedeck_trade_row;

/* Rows of a tape. Valid until the next call with the tape. */
typedef struct tapedeck_batch {
    const tapedeck_frame_row *frames;
    size_t frame_count;
    const tapedeck_trade_row *trades;
    size_t trade_count;
    const tapedeck_row *levels;
    size_t level_count;
    const char *text; /* bytes and messages of the frames */
    size_t text_bytes;
} tapedeck_batch;

typedef struct tapedeck_tape tapedeck_tape;

/* Open a tape; NULL with an error. Close it before its archive. */
TAPEDECK_API tapedeck_tape *tapedeck_tape_open(tapedeck_archive *archive,
                                               const tapedeck_selection *selection,
                                               tapedeck_error *error);
TAPEDECK_API void tapedeck_tape_close(tapedeck_tape *tape);

/* Results of tapedeck_tape_next and tapedeck_tape_books. */
enum {
    TAPEDECK_TAPE_END = 0,
    TAPEDECK_TAPE_BATCH = 1,
    TAPEDECK_TAPE_FAILED = -1, /* see error; tapedeck_tape_seek may still continue the tape */
    /* Stored frames cannot be read, or are missing; the error describes which frames. The batch is
     * empty; the next call continues after the damage. tapedeck_tape_gap and
     * tapedeck_archive_damage list a gap with the reason "corrupt" for it, and states are suspect
     * until their next snapshot. */
    TAPEDECK_TAPE_DAMAGED = -2,
};

/* Read the next batch. Returns TAPEDECK_TAPE_BATCH or another result above. */
TAPEDECK_API int tapedeck_tape_next(tapedeck_tape *tape, tapedeck_batch *out,
                                    tapedeck_error *error);

/* Results of tapedeck_tape_wait. */
enum {
    TAPEDECK_WAIT_ENDED = 0,   /* no recorder is running; the last session was stopped normally */
    TAPEDECK_WAIT_MORE = 1,    /* tapedeck_tape_next returns a batch, or damage */
    TAPEDECK_WAIT_FAILED = -1, /* see error */
    TAPEDECK_WAIT_TIMEOUT = 2,
    TAPEDECK_WAIT_CRASHED = 3, /* no recorder is running, and the last session has no end; the tape
                                  has its durable frames */
};

/* For tapedeck_tape_wait: a timeout without end. */
enum { TAPEDECK_WAIT_FOREVER = -1 };

/* Wait up to timeout_ms for more frames of a tape with TAPEDECK_WITH_FOLLOW; 0 checks once, a
 * negative timeout waits without end. ENDED and CRASHED are returned once per session; a later call
 * waits for the next session. Unless the selection is one feed by name, frames of a live session
 * are returned 2 s after they are durable, so that frames of all feeds are in order. Damage that
 * was found meanwhile is returned by the next tapedeck_tape_next. Signals do not end the wait. Gaps
 * recorded meanwhile are added, so texts and positions from earlier calls of tapedeck_tape_gap
 * become invalid. */
TAPEDECK_API int tapedeck_tape_wait(tapedeck_tape *tape, int64_t timeout_ms, tapedeck_error *error);

/* Get the books as they are after the last batch, or before the first one: a frame for each book,
 * whose entries are the book's levels, up to book_depth per side (0: all). Results as for
 * tapedeck_tape_next. For books at a given time, open a tape that begins at this time, and call
 * this function before the first batch; it then reads the earlier frames from the last checkpoint
 * on. */
TAPEDECK_API int tapedeck_tape_books(tapedeck_tape *tape, tapedeck_batch *out,
                                     tapedeck_error *error);

/* Continue at another time (as tapedeck_selection.from), with the states of that time. `to` and the
 * numbers of streams stay the same. Not allowed with TAPEDECK_WITH_COVERAGE. Returns 1, or 0 with
 * an error. If the call is not allowed or `from` is invalid, the tape continues where it was; after
 * another failure it has ended. */
TAPEDECK_API int tapedeck_tape_seek(tapedeck_tape *tape, const char *from, tapedeck_error *error);

/* A stream: a topic and symbol of a feed, on one line. Texts are valid until close. */
typedef struct tapedeck_stream {
    const char *feed;
    const char *family;
    const char *topic;  /* without the symbol */
    const char *symbol; /* "" if absent, "*" if each entry names its own */
    const char *exchange_topic;
    uint32_t line;
    uint32_t is_grouped; /* 1: a book whose prices are rounded to groups, not the market's */
} tapedeck_stream;

/* Get stream `index`. Returns 1, or 0 if the tape has fewer streams so far. */
TAPEDECK_API int tapedeck_tape_stream(const tapedeck_tape *tape, size_t index,
                                      tapedeck_stream *out);

/* Call after the end of a tape with TAPEDECK_WITH_COVERAGE. Returns for how many ns of an interval
 * of exchange time trades of a stream may be missing (docs/completeness.md). 0: no trade of the
 * interval can be missing. For a stream without trades, returns the length of the interval. */
TAPEDECK_API uint64_t tapedeck_tape_missing_ns(const tapedeck_tape *tape, size_t stream,
                                               uint64_t from_ns, uint64_t to_ns);

/* A time in which frames of the selection may be missing. Texts are valid until close, or the next
 * tapedeck_tape_wait. */
typedef struct tapedeck_gap {
    const char *feed;
    const char *topic;  /* "": all topics of the connection */
    const char *symbol; /* "": all symbols of the topic */
    const char *reason; /* "disconnect" ...: docs/archive.md */
    const char *cause;
    const char *covered_by; /* the line that has everything of the gap; "its pongs": they
                               disprove it (docs/archive.md); "": not known */
    uint64_t from_ns;
    uint64_t to_ns;       /* 0: the gap has no end yet */
    uint64_t frames_lost; /* UINT64_MAX: unknown */
    uint32_t line;
    uint32_t connection;
} tapedeck_gap;

/* Get the next gap of the selection: first the gaps of the ledger, by feed and time, then damage
 * that the archive's tapes have found. *at is 0 at first. Returns 1, or 0 at the end. */
TAPEDECK_API int tapedeck_tape_gap(const tapedeck_tape *tape, size_t *at, tapedeck_gap *out);

/* Get the next damage that the archive's tapes have found, of any selection; *at is 0 at first.
 * Returns 1, or 0 at the end. Texts are valid until a tape finds more. */
TAPEDECK_API int tapedeck_archive_damage(const tapedeck_archive *archive, size_t *at,
                                         tapedeck_gap *out);

#ifdef __cplusplus
}
#endif

#endif
