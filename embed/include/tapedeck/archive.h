/* libtapedeck: the frames of an archive in a program of your own, as flat arrays.
 *
 * A tape is what a selection of an archive has, in the order of `tapedeck replay`. It comes in
 * batches: an array of frames, and arrays of their trades and levels, so that a caller in another
 * language crosses over once for thousands of rows (embed/python/tapedeck is such a caller).
 *
 * Numbers are exact: a price is price_int / 10^price_scale; price is the nearest double. Times are
 * ns since 1970-01-01 UTC, 0 if absent. Sides, actions, kinds and contents are those of
 * tapedeck/plugin.h.
 *
 * Threads: an archive and its tapes are for one thread at a time; archives are independent. Nothing
 * is written to the archive. A failed allocation ends the program. */
#ifndef TAPEDECK_ARCHIVE_H
#define TAPEDECK_ARCHIVE_H

#include "tapedeck/tapedeck.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a failure is. */
enum {
    TAPEDECK_ERROR_NONE = 0,
    TAPEDECK_ERROR_INVALID = 1,     /* a path, a selection, or what is at the path */
    TAPEDECK_ERROR_NOT_FOUND = 2,   /* there is no such file, or nothing matches the selection */
    TAPEDECK_ERROR_IO = 3,          /* the operating system failed; os_errno */
    TAPEDECK_ERROR_DAMAGED = 4,     /* stored data cannot be read */
    TAPEDECK_ERROR_LIMIT = 5,       /* a limit was met */
    TAPEDECK_ERROR_UNSUPPORTED = 6, /* of a newer version */
};

/* Where a function that fails says why. Functions take NULL for it as well. */
typedef struct tapedeck_error {
    int32_t code; /* TAPEDECK_ERROR_* */
    int32_t os_errno;
    char text[2040]; /* one line, cut if it is too long */
} tapedeck_error;

typedef struct tapedeck_archive tapedeck_archive;

/* Open a folder, or a single .mcap file, for reading; NULL with an error, also of what is no
 * archive. */
TAPEDECK_API tapedeck_archive *tapedeck_archive_open(const char *path, tapedeck_error *error);
/* After its tapes. */
TAPEDECK_API void tapedeck_archive_close(tapedeck_archive *archive);

/* A topic of a symbol that was recorded on a feed; the times of the segments that have frames of
 * it. Texts are valid until the next list, or close. */
typedef struct tapedeck_topic {
    const char *feed;
    const char *family;
    const char *topic;  /* without the symbol */
    const char *symbol; /* "" if absent */
    const char *exchange_topic;
    uint64_t frames; /* received; UINT64_MAX: unknown, a segment has no summary */
    uint64_t first_ns;
    uint64_t last_ns;
} tapedeck_topic;

/* The topics, by feed, topic and symbol: *topics, *count of them; without reading frames. 1, or 0
 * with an error. */
TAPEDECK_API int tapedeck_archive_topics(tapedeck_archive *archive, const tapedeck_topic **topics,
                                         size_t *count, tapedeck_error *error);

/* What a tape has beside frames and their entries. */
enum {
    TAPEDECK_WITH_BYTES = 1,    /* the frames as they came */
    TAPEDECK_WITH_MESSAGES = 2, /* each as JSON, as `tapedeck replay --messages` prints it */
    TAPEDECK_WITH_BOOKS = 4,    /* levels are those of the whole book after the frame, up to
                                   book_depth a side, bids, then asks, best first */
    TAPEDECK_WITH_COVERAGE = 8, /* tapedeck_tape_missing_ns can be asked */
    TAPEDECK_WITH_FOLLOW = 16,  /* tapedeck_tape_wait can be called. Not with COVERAGE or to. Names
                                   that the archive does not have yet are no error. */
};

/* Globs and times as on the command line of every verb; NULL selects everything. Globs live as long
 * as the tape. Members that a later version adds are 0, and bits of with that it does not know are
 * refused (TAPEDECK_ERROR_INVALID). */
typedef struct tapedeck_selection {
    size_t size;              /* of this struct, as the program was compiled */
    const char *const *feeds; /* ends with NULL; likewise below */
    const char *const *topics;
    const char *const *symbols;
    const char *from; /* "2026-08-09T12:00Z", "+90s"; inclusive */
    const char *to;   /* exclusive */
    uint32_t with;    /* TAPEDECK_WITH_* */
    uint32_t book_depth;
    uint32_t threads; /* that read ahead and decode, the caller's included; 0 or 1: that alone */
    uint32_t reserved;
} tapedeck_selection;

/* Flags of rows. */
enum {
    TAPEDECK_ROW_SNAPSHOT = 2,
    TAPEDECK_ROW_LATE = 4,    /* the receive time is late: an overload, or a clock went back */
    TAPEDECK_ROW_SUSPECT = 8, /* the topic's state was not proven whole at the frame: a gap, damage,
                                 or a broken rule, and no snapshot since */
    TAPEDECK_ROW_COPY = 64,   /* another connection brought the topic as well, and counts */
    TAPEDECK_ROW_NUMBERED = 128,
};

typedef struct tapedeck_frame_row {
    uint64_t recv_ns;
    uint64_t exchange_ns;
    uint64_t ordinal;  /* on its connection */
    int64_t number;    /* cross_seq, else seq, else u; if TAPEDECK_ROW_NUMBERED */
    uint64_t bytes_at; /* in the batch's text */
    uint64_t message_at;
    uint32_t byte_count;
    uint32_t message_count;
    uint32_t stream;      /* tapedeck_tape_stream */
    uint32_t first_entry; /* in the batch's trades or levels, by content */
    uint32_t entry_count;
    uint32_t connection;
    uint8_t content; /* TAPEDECK_BOOK ... */
    uint8_t kind;
    uint8_t flags;
    uint8_t reserved[5];
} tapedeck_frame_row;

/* A level. */
typedef struct tapedeck_row {
    uint64_t recv_ns;
    uint64_t exchange_ns; /* of a trade: its own */
    double price;
    double size;
    int64_t price_int;
    int64_t size_int;
    uint32_t stream;
    uint32_t frame; /* in the batch */
    uint8_t price_scale;
    uint8_t size_scale;
    uint8_t side; /* of a trade: the taker's */
    uint8_t action;
    uint8_t flags;
    uint8_t reserved[3];
} tapedeck_row;

/* An identifier is cut after so many bytes; shorter ones end with NUL. */
enum { TAPEDECK_TRADE_ID_BYTES = 40 };

typedef struct tapedeck_trade_row {
    tapedeck_row row;
    char trade_id[TAPEDECK_TRADE_ID_BYTES];
} tapedeck_trade_row;

/* Valid until the next call with the tape. */
typedef struct tapedeck_batch {
    const tapedeck_frame_row *frames;
    size_t frame_count;
    const tapedeck_trade_row *trades;
    size_t trade_count;
    const tapedeck_row *levels;
    size_t level_count;
    const char *text; /* bytes and messages */
    size_t text_bytes;
} tapedeck_batch;

typedef struct tapedeck_tape tapedeck_tape;

/* NULL with an error. */
TAPEDECK_API tapedeck_tape *tapedeck_tape_open(tapedeck_archive *archive,
                                               const tapedeck_selection *selection,
                                               tapedeck_error *error);
TAPEDECK_API void tapedeck_tape_close(tapedeck_tape *tape);

/* What next and books return. */
enum {
    TAPEDECK_TAPE_END = 0,
    TAPEDECK_TAPE_BATCH = 1,
    TAPEDECK_TAPE_FAILED = -1,  /* error says why; the tape is over, or can be sought again */
    TAPEDECK_TAPE_DAMAGED = -2, /* stored frames cannot be read; error says what, where, how much.
                              Nothing is in the batch; the next call continues behind them. The gap
                              has the reason corrupt (tapedeck_tape_gap, tapedeck_archive_damage),
                              and states are suspect until their next snapshot. */
};

/* The next batch. TAPEDECK_TAPE_BATCH ... */
TAPEDECK_API int tapedeck_tape_next(tapedeck_tape *tape, tapedeck_batch *out,
                                    tapedeck_error *error);

/* What wait returns. */
enum {
    TAPEDECK_WAIT_ENDED = 0,   /* no recorder is at work: the last session was ended in order */
    TAPEDECK_WAIT_MORE = 1,    /* next returns a batch, or damage */
    TAPEDECK_WAIT_FAILED = -1, /* error says why */
    TAPEDECK_WAIT_TIMEOUT = 2,
    TAPEDECK_WAIT_CRASHED = 3, /* no recorder is at work: the last session has no end, the tape has
                                  what was durable of it */
};

/* A time without end. */
enum { TAPEDECK_WAIT_FOREVER = -1 };

/* Wait for frames after those that a tape with TAPEDECK_WITH_FOLLOW has had: up to timeout_ms; 0
 * looks once, a negative one waits without end. ENDED and CRASHED are returned once for a session;
 * a later call waits for the next session. A selection that is not one feed by name gets frames of
 * a live session 2 s after they are durable, so that those of all feeds are in order. Damage found
 * meanwhile is returned by the next call of next. Signals do not end it. Gaps have those that were
 * recorded meanwhile: texts and positions of tapedeck_tape_gap from before are not valid any more.
 */
TAPEDECK_API int tapedeck_tape_wait(tapedeck_tape *tape, int64_t timeout_ms, tapedeck_error *error);

/* The books as they are after the last batch, or before the first: a frame each, whose entries are
 * the levels, whole. Results as those of next. Books at a time are those of a tape from then on,
 * before its first batch: earlier frames are read from the checkpoint before. */
TAPEDECK_API int tapedeck_tape_books(tapedeck_tape *tape, tapedeck_batch *out,
                                     tapedeck_error *error);

/* Go on at another time, as "from" of a selection has it, with the state of that moment; to stays
 * as it is, and so do the numbers of streams. 1, or 0 with an error: then the tape is over. Not
 * with TAPEDECK_WITH_COVERAGE. */
TAPEDECK_API int tapedeck_tape_seek(tapedeck_tape *tape, const char *from, tapedeck_error *error);

/* What rows of a stream have in common. Texts are valid until close. */
typedef struct tapedeck_stream {
    const char *feed;
    const char *family;
    const char *topic;  /* without the symbol */
    const char *symbol; /* "" if absent, "*" if each entry names its own */
    const char *exchange_topic;
    uint32_t line;
    uint32_t reserved;
} tapedeck_stream;

/* 1, or 0: there are not so many yet. */
TAPEDECK_API int tapedeck_tape_stream(const tapedeck_tape *tape, size_t index,
                                      tapedeck_stream *out);

/* After the end of a tape with TAPEDECK_WITH_COVERAGE: how much of an interval of exchange time is
 * missing of a stream of trades (docs/completeness.md); all of it, of other streams. 0: no trade of
 * that time can be missing. */
TAPEDECK_API uint64_t tapedeck_tape_missing_ns(const tapedeck_tape *tape, size_t stream,
                                               uint64_t from_ns, uint64_t to_ns);

/* Where something of the selection is missing. Texts are valid until close, or the next wait. */
typedef struct tapedeck_gap {
    const char *feed;
    const char *topic;  /* "": all of the connection */
    const char *symbol; /* "": all of the topic */
    const char *reason; /* "disconnect" ...: docs/archive.md */
    const char *cause;
    const char *covered_by; /* "": what was lost is lost */
    uint64_t from_ns;
    uint64_t to_ns;       /* 0: it has no end yet */
    uint64_t frames_lost; /* UINT64_MAX: unknown */
    uint32_t line;
    uint32_t connection;
} tapedeck_gap;

/* The next gap, by feed and time, and then the damage that tapes of the archive have met; *at is 0
 * at first. 1, or 0: there are no more. */
TAPEDECK_API int tapedeck_tape_gap(const tapedeck_tape *tape, size_t *at, tapedeck_gap *out);

/* That damage alone, whatever the selection. Texts are valid until a tape meets more. */
TAPEDECK_API int tapedeck_archive_damage(const tapedeck_archive *archive, size_t *at,
                                         tapedeck_gap *out);

#ifdef __cplusplus
}
#endif

#endif
